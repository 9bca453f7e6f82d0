--[[ set_limits: replace the limits of a queue. Called by Client::set_limits. Joined: keys, lanes.
     ARGV pairs of a field of `limits` and its value; none lifts all limits
     Returns  1
     Retry-safe: yes. What rested under the old limits is looked at anew. ]]
call('DEL', stem .. 'limits')
if #ARGV > 0 then
  call('HSET', stem .. 'limits', unpack(ARGV))
  call('HSET', meta, 'rich', 1)
end
-- A bucket fills at its new rate from now on.
call('UNLINK', stem .. 'buckets')
for _, lane in ipairs(call('ZRANGE', resting, 0, -1)) do
  call('ZREM', resting, lane)
  if call('EXISTS', list_of(lane)) == 1 then join(lane) end
end
wake_one()
return 1
