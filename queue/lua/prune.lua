--[[ prune: drop records of ended jobs and of batches past their time or beyond the count, and forget ids and unique keys past theirs.
     Called by Consumer::prune. Joined: keys, steps, lanes, unique, batch, drop, forget.
     ARGV[1] finished kept at most   ARGV[2] dead kept at most   ARGV[3] dead kept for, ms   ARGV[4] of each kind at most
     Returns  how many records, batches, remembered ids and unique keys were dropped
     Retry-safe: yes. A job whose notice is still open is not dropped. ]]
local finished_max, dead_max, dead_ms, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local function past(set, moment)
  return call('ZRANGEBYSCORE', set, '-inf', moment, 'LIMIT', 0, limit)
end

local dropped = drop_finished(past(finished, now))
dropped = dropped + drop_finished(beyond(finished, finished_max, limit))
dropped = dropped + drop(dead, past(dead, now - dead_ms), now)
dropped = dropped + drop(dead, beyond(dead, dead_max, limit), now)
local forgotten = past(seen, now)
if #forgotten > 0 then call('ZREM', seen, unpack(forgotten)) end
local free = past(unique_until, now)
if #free > 0 then
  call('ZREM', unique_until, unpack(free))
  call('HDEL', uniques, unpack(free))
end
return dropped + #forgotten + #free + forget_batches(limit)
