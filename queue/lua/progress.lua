--[[ progress: show how far a running job is. Called by JobContext::progress. Joined: keys.
     ARGV[1] id   ARGV[2] progress JSON
     Returns  1 shown | -1 it does not run (any more), and nothing is left of it
     Retry-safe: yes. ]]
local id = ARGV[1]
if call('HEXISTS', leases, id) == 0 then return -1 end
call('HSET', progress, id, ARGV[2])
call('PUBLISH', stem .. 'live', id .. '\nprogress ' .. ARGV[2])
return 1
