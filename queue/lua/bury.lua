--[[ bury: a running job will not be tried again. Called by Consumer::bury. Joined: keys, end, held.
     ARGV[1] id   ARGV[2] token   ARGV[3] outcome JSON   ARGV[4] attempt JSON for the history
     Returns  1 dead, with a notice | -1 missing | -2 lease held by another worker
     Retry-safe: yes, a second call finds no lease. ]]
local id, token = ARGV[1], ARGV[2]
local reply = held(id, token)
if reply ~= HELD then return reply end
unlease(id)
call('RPUSH', history .. ':' .. id, ARGV[4])
call('LTRIM', history .. ':' .. id, -20, -1)
bury(id, ARGV[3])
return 1
