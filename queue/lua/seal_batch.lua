--[[ seal_batch: all members are enqueued. Called by Batch::enqueue. Joined: keys, lanes, batch.
     ARGV[1] batch id
     Returns  1 sealed | 0 it was, or there is no such batch
     Retry-safe: yes. ]]
local id = ARGV[1]
if call('EXISTS', batch_key(id)) == 0 or call('HSETNX', batch_key(id), 'sealed', now) == 0 then return 0 end
call('ZADD', batches, 'XX', now + BATCH_RUNNING_MS, id)
return 1
