--[[ extend: keep the leases of running jobs. Called by Consumer::extend, at most 1,000 jobs a call. Joined: keys, touch.
     ARGV[1] lease, ms, then two values a job: id, token
     Returns  per job: 1 extended | 2 extended, and somebody asked to cancel it | -1 missing | -2 lease held by another worker
     Retry-safe: yes. Begins with a write that Redis always allows, so that leases do not lapse when its memory is full. ]]
local lease_ms = tonumber(ARGV[1])
call('HDEL', meta, '')
touch(lease_ms, call('HGET', meta, 'touched'))
local ids = {}
for i = 2, #ARGV, 2 do ids[#ids + 1] = ARGV[i] end
local owners = call('HMGET', leases, unpack(ids))
local asked = call('EXISTS', cancels) == 1
local replies, expiries = {}, {}
for i, id in ipairs(ids) do
  if owners[i] == ARGV[i * 2 + 1] then
    expiries[#expiries + 1] = now + lease_ms
    expiries[#expiries + 1] = id
    replies[i] = asked and call('HEXISTS', cancels, id) == 1 and 2 or 1
  else
    replies[i] = owners[i] and -2 or -1
  end
end
if #expiries > 0 then call('ZADD', running, unpack(expiries)) end
return replies
