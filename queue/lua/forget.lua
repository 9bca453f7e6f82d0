--[[ forget (fragment of prune): batches past their time, and of the ended ones those beyond the count. Needs keys, batch. ]]
local BATCHES_ENDED_MAX = 10000

local function forget_batches(limit)
  local forgotten = 0
  for _, index in ipairs({ batches, batches_ended }) do
    local ids = call('ZRANGEBYSCORE', index, '-inf', now, 'LIMIT', 0, limit)
    local beyond_max = index == batches_ended and call('ZCARD', index) - #ids - BATCHES_ENDED_MAX or 0
    if beyond_max > 0 then ids = call('ZRANGE', index, 0, math.min(#ids + beyond_max, limit) - 1) end
    for _, id in ipairs(ids) do
      call('UNLINK', batch_key(id), members_key(id))
      call('ZREM', index, id)
    end
    forgotten = forgotten + #ids
  end
  return forgotten
end
