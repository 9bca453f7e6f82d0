--[[ glance: the counts of one queue, of one moment. Called by Inspector::queue. Changes nothing.
     KEYS  scheduled, running, finished, dead, notices, jobs, meta, stats
     Returns  { scheduled, running, finished, dead, notices, jobs, pause JSON or nil, { move, count, … } }
     No MULTI: when its memory is full Redis refuses that even for reading, and then people must see. ]]
local counts = {}
for i = 1, 5 do counts[i] = redis.call('ZCARD', KEYS[i]) end
counts[6] = redis.call('HLEN', KEYS[6])
counts[7] = redis.call('HGET', KEYS[7], 'paused')
counts[8] = redis.call('HGETALL', KEYS[8])
return counts
