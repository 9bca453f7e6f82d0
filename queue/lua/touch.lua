--[[ touch (fragment of claim and extend): notes that the queue is alive, and finds out when it was not. Needs keys.lua.
     After an outage nobody is punished: when the queue was last touched more than half a lease ago (failover, restart, clock step), every
     running job gets a whole lease from now before any is called lost. Whoever comes first must do so, or the next would see no gap. ]]

-- Gives all members with a score between min and max another one. It must lie outside, or this would never end.
local function rescore(set, min, max, score)
  repeat
    local ids = call('ZRANGEBYSCORE', set, min, max, 'LIMIT', 0, 500)
    local scored = {}
    for _, id in ipairs(ids) do
      scored[#scored + 1] = score
      scored[#scored + 1] = id
    end
    if #ids > 0 then call('ZADD', set, unpack(scored)) end
  until #ids < 500
end

-- `touched`: what meta has of it.
local function touch(lease_ms, touched)
  local silent_ms = now - tonumber(touched or now)
  call('HSET', meta, 'touched', now)
  local expires = now + lease_ms
  if silent_ms > lease_ms / 2 then
    rescore(running, '-inf', '(' .. expires, expires)
  elseif silent_ms < -lease_ms / 2 then
    -- The clock was set back: what was to expire soon would now expire in that many hours.
    rescore(running, '(' .. expires, '+inf', expires)
    rescore(notices, '(' .. expires, '+inf', expires)
    rescore(stem .. 'transfers_due', '(' .. expires, '+inf', expires)
    rescore(stem .. 'buckets', '(' .. expires, '+inf', expires)
    -- But not a lane that rests until another job has ended.
    rescore(stem .. 'resting', '(' .. expires, '(+inf', expires)
  end
end
