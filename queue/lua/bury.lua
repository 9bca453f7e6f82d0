--[[ bury: a running job will not be tried again. Called by Consumer::bury.
     Joined: keys, steps, lanes, freed, unique, transfer, end, attempts, held.
     ARGV[1] id   ARGV[2] token   ARGV[3] outcome JSON   ARGV[4] attempt JSON for the history
     Returns  1 dead, with a notice | -1 missing | -2 lease held by another worker
     Retry-safe: yes, a second call finds no lease. ]]
local id, token, outcome, attempt = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local reply = held(id, token)
if reply ~= HELD then return reply end
unlease(id)
record(id, attempt)
bury(id, outcome)
return 1
