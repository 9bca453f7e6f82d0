--[[ hasten: a scheduled job is due at once, as what it waited for has come. Called by Client::hasten. Joined: keys, lanes.
     ARGV[1] id
     Returns  1 due now | 0 it is not scheduled; nothing changed | -1 missing
     Retry-safe: yes, a second call finds it due, or no longer scheduled. ]]
local id = ARGV[1]
if call('HEXISTS', jobs, id) == 0 then return -1 end
if not call('ZSCORE', scheduled, id) then return 0 end
call('ZADD', scheduled, now, id)
wake_one()
return 1
