--[[ extend: keep the leases of running jobs. Called by Consumer::extend, at most 1,000 jobs a call. Joined: keys, touch, held.
     ARGV[1] lease, ms, then two values a job: id, token
     Returns  per job: 1 extended | 2 extended, and somebody asked to cancel it | -1 missing | -2 lease held by another worker
     Retry-safe: yes. Begins with a write that Redis always allows, so that leases do not lapse when its memory is full. ]]
local lease_ms = tonumber(ARGV[1])
call('HDEL', meta, '')
touch(lease_ms)
local expires = now + lease_ms
local asked = call('EXISTS', cancels) == 1
local replies = {}
for i = 2, #ARGV, 2 do
  local id = ARGV[i]
  local reply = held(id, ARGV[i + 1])
  if reply == HELD then
    call('ZADD', running, 'XX', expires, id)
    if asked and call('HEXISTS', cancels, id) == 1 then reply = 2 end
  end
  replies[#replies + 1] = reply
end
return replies
