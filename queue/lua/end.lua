--[[ end (fragment): what every terminal move shares. Needs keys, steps, lanes, unique, transfer. ]]

-- The records of cancelled and expired jobs are kept for a day.
local KEEP_ENDED_MS = 86400000

-- Remembers an id that its caller chose, so that to enqueue it again is without effect also when its record is gone. Only a header may
-- say so, and in its texts a quote is escaped: this finds nothing else. (To complete, the worker says it.)
local function remember(id)
  local header = string.match(call('HGET', jobs, id) or '', '^[^\n]*')
  local remember_ms = string.match(header, '"remember_ms":(%d+)')
  if remember_ms then call('ZADD', seen, now + remember_ms, id) end
end

-- Forgets what only a living job has, and answers who waits for its end.
local function close(id, outcome)
  remember(id)
  call('HDEL', tries, id)
  call('HDEL', progress, id)
  call('HDEL', cancels, id)
  local extra = extra_of(id)
  if extra and extra.unique then let_go(id, extra.unique, true) end
  if extra and extra.batch then end_member(id, extra.batch, cjson.decode(outcome).state) end
  if call('SREM', waited, id) == 1 then call('PUBLISH', ended_channel, id .. '\n' .. outcome) end
end

-- Ends a job that no handler ended: a worker will run its on_terminal for the notice.
local function notify(id)
  call('ZADD', notices, now, id)
  wake_one()
end

-- Ends a job as cancelled or expired.
local function finish(id, outcome)
  call('ZADD', finished, now + KEEP_ENDED_MS, id)
  call('HSET', outcomes, id, outcome)
  close(id, outcome)
  drop_steps({ id })
  notify(id)
end

local function cancel(id, outcome)
  call('HINCRBY', stats, 'cancelled', 1)
  finish(id, outcome)
end

-- Ends a job whose cancellation was asked for while it ran, in the words of who asked; false when nobody did.
local function cancel_if_asked(id)
  local outcome = call('HGET', cancels, id)
  if outcome then cancel(id, outcome) end
  return outcome ~= false
end

-- Buries a job: kept as dead until a person requeues or deletes it, or it is pruned. What its steps have come to is kept with it: requeued,
-- it goes on behind them.
local function bury(id, outcome)
  call('ZADD', dead, now, id)
  call('HSET', outcomes, id, outcome)
  call('HINCRBY', stats, 'dead', 1)
  close(id, outcome)
  notify(id)
end
