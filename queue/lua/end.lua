--[[ end (fragment): what every terminal move shares. Needs keys.lua. ]]

-- Forgets what only a living job has, and answers who waits for its end.
local function close(id, outcome)
  call('HDEL', tries, id)
  call('HDEL', progress, id)
  call('SREM', cancels, id)
  if call('SREM', waited, id) == 1 then call('PUBLISH', ended_channel, id .. '\n' .. outcome) end
end

-- Ends a job as finished, cancelled or expired and keeps its record until keep_ms from now.
local function finish(id, outcome, keep_ms)
  call('ZADD', finished, now + keep_ms, id)
  call('HSET', outcomes, id, outcome)
  close(id, outcome)
end

-- Ends a job that no handler ended: a worker will run its on_terminal for the notice.
local function notify(id)
  call('ZADD', notices, now, id)
  wake_one()
end

-- Buries a job: kept as dead until a person requeues or deletes it, or it is pruned.
local function bury(id, outcome)
  call('ZADD', dead, now, id)
  call('HSET', outcomes, id, outcome)
  call('HINCRBY', stats, 'dead', 1)
  close(id, outcome)
  notify(id)
end
