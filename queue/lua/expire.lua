--[[ expire: a claimed job is past its deadline and is dropped unrun. Called by Consumer::expire.
     Joined: keys, steps, lanes, freed, unique, transfer, end, held.
     ARGV[1] id   ARGV[2] token   ARGV[3] outcome JSON
     Returns  1 expired, with a notice | -1 missing | -2 lease held by another worker
     Retry-safe: yes, a second call finds no lease. ]]
local id, token = ARGV[1], ARGV[2]
local reply = held(id, token)
if reply ~= HELD then return reply end
unlease(id)
call('HINCRBY', stats, 'expired', 1)
finish(id, ARGV[3])
return 1
