--[[ advance: for tests, as if so much time had passed for a queue in which nothing runs. Called by testing::advance. Joined: keys.
     ARGV[1] ms
     Returns  1
     Retry-safe: no, time passes again. Leases are left alone: a worker that runs meanwhile keeps its jobs. ]]
local ms = tonumber(ARGV[1])
local moments = { scheduled, finished, dead, notices, seen, stem .. 'resting', stem .. 'buckets', stem .. 'unique_until',
  stem .. 'transfers_due', stem .. 'batches', stem .. 'batches_ended' }
for _, set in ipairs(moments) do
  for _, member in ipairs(call('ZRANGE', set, 0, -1)) do call('ZINCRBY', set, -ms, member) end
end
for _, id in ipairs(call('HKEYS', jobs)) do
  local header, payload = string.match(call('HGET', jobs, id), '^([^\n]*)(.*)$')
  local earlier, found = string.gsub(header, '"expires_at":(%d+)', function(at) return '"expires_at":' .. string.format('%.0f', at - ms) end)
  if found > 0 then call('HSET', jobs, id, earlier .. payload) end
end
local paused = call('HGET', meta, 'paused')
if paused then
  local earlier = string.gsub(paused, '"resume_at":(%d+)', function(at) return '"resume_at":' .. string.format('%.0f', at - ms) end)
  call('HSET', meta, 'paused', earlier)
end
wake_one()
return 1
