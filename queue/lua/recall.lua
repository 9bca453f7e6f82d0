--[[ recall: what the steps of a running job have come to in earlier runs. Called by JobContext::step, once a run. Joined: keys, steps.
     ARGV[1] id   ARGV[2] token
     Returns  { 1, { step, `<finished at, µs> <key or -> <result>`, … } } | { -1, {} } job missing | { -2, {} } lease held by another worker
     Retry-safe: yes, it changes nothing. ]]
local id, token = ARGV[1], ARGV[2]
local owner = call('HGET', leases, id)
if owner ~= token then return { owner and -2 or -1, {} } end
return { 1, call('HGETALL', steps_of(id)) }
