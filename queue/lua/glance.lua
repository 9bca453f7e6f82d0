--[[ glance: the counts of one queue, of one moment. Called by Inspector::queue. Changes nothing.
     KEYS  scheduled, running, finished, dead, notices, transfers_due, batches, jobs, meta, stats
     Returns  { the size of each up to jobs, pause JSON or nil, { move, count, … } }
     No MULTI: when its memory is full Redis refuses that even for reading, and then people must see. ]]
local counts = {}
for i = 1, 7 do counts[i] = redis.call('ZCARD', KEYS[i]) end
counts[8] = redis.call('HLEN', KEYS[8])
counts[9] = redis.call('HGET', KEYS[9], 'paused')
counts[10] = redis.call('HGETALL', KEYS[10])
return counts
