--[[ set_limits: replace the limits of a queue. Called by Client::set_limits. Joined: keys, touch, lanes.
     ARGV pairs of a field of `limits` and its value; none lifts all limits
     Returns  1
     Retry-safe: yes, to set what is set already changes nothing. What rested under the old limits is looked at anew. ]]
local limits = stem .. 'limits'
local RATES = { 'rate', 'per_ms', 'key_rate', 'key_per_ms' }
local before = call('HMGET', limits, unpack(RATES))
call('DEL', limits)
for i = 1, #ARGV, 2 do call('HSET', limits, ARGV[i], ARGV[i + 1]) end
if #ARGV > 0 then call('HSET', meta, 'rich', 1) end
-- The moment at which a bucket is full means nothing at another rate: it begins full.
for i, rate in ipairs(call('HMGET', limits, unpack(RATES))) do
  if rate ~= before[i] then call('UNLINK', stem .. 'buckets') end
end
rescore(resting, '(' .. now, '+inf', now)
wake_one()
return 1
