--[[ lift: ends a pause, if it is for that cause. Called by Client::lift. Joined: keys.
     ARGV[1] cause
     Returns  1 lifted | 0 not paused, or for another cause
     Retry-safe: yes, a second call finds no such pause. ]]
local cause = ARGV[1]
local paused = call('HGET', meta, 'paused')
if not paused or cjson.decode(paused).cause ~= cause then return 0 end
call('HDEL', meta, 'paused')
wake_one()
return 1
