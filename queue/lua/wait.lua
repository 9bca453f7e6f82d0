--[[ wait: note that somebody waits for a job's end, so that it is published. Called by Client::wait, which listens before it calls.
     Joined: keys.
     ARGV[1] id
     Returns  { 1 noted | 0 it has ended | -1 missing, outcome JSON of an ended job or '' }
     Retry-safe: yes. The note goes with the job's end, and only then: others may be waiting for it as well. ]]
local id = ARGV[1]
local outcome = call('HGET', outcomes, id)
if outcome then return { 0, outcome } end
if call('HEXISTS', jobs, id) == 0 then return { -1, '' } end
call('SADD', waited, id)
return { 1, '' }
