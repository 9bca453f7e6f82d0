--[[ requeue: an ended job runs again from its first attempt. Called by Client::requeue. Joined: keys.
     ARGV[1] id
     Returns  1 ready | 0 it has not ended | -1 missing
     Retry-safe: yes, a second call returns 0. ]]
local id = ARGV[1]
if call('HEXISTS', outcomes, id) == 0 then return call('HEXISTS', jobs, id) == 1 and 0 or -1 end
if call('HEXISTS', jobs, id) == 0 then return -1 end
call('ZREM', dead, id)
call('ZREM', finished, id)
call('ZREM', notices, id)
call('HDEL', outcomes, id)
call('HINCRBY', stats, 'requeued', 1)
-- A ghost of it that still stands in the list stays a ghost; claim finds it first.
call('RPUSH', ready[priority_of(id)], id)
wake_one()
return 1
