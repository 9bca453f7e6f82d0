--[[ prune: drop records of ended jobs past their time or beyond the count. Called by Consumer::prune.
     ARGV[1] finished kept at most   ARGV[2] dead kept at most   ARGV[3] dead kept for, ms   ARGV[4] drop at most
     Returns  how many were dropped
     Retry-safe: yes. A job whose notice is still open is not dropped. ]]
local finished_max, dead_max, dead_ms, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local function drop(set, ids)
  local dropped = 0
  for _, id in ipairs(ids) do
    if not call('ZSCORE', notices, id) then
      call('ZREM', set, id)
      call('HDEL', jobs, id)
      call('HDEL', outcomes, id)
      call('HDEL', priorities, id)
      call('UNLINK', history .. ':' .. id)
      dropped = dropped + 1
    end
  end
  return dropped
end

local function over(set, max)
  local extra = call('ZCARD', set) - max
  if extra <= 0 then return {} end
  return call('ZRANGE', set, 0, math.min(extra, limit) - 1)
end

local dropped = drop(finished, call('ZRANGEBYSCORE', finished, '-inf', now, 'LIMIT', 0, limit))
dropped = dropped + drop(finished, over(finished, finished_max))
dropped = dropped + drop(dead, call('ZRANGEBYSCORE', dead, '-inf', now - dead_ms, 'LIMIT', 0, limit))
dropped = dropped + drop(dead, over(dead, dead_max))
for _, id in ipairs(call('ZRANGEBYSCORE', seen, '-inf', now, 'LIMIT', 0, limit)) do call('ZREM', seen, id) end
return dropped
