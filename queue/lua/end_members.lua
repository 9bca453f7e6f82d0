--[[ end_members: members of a batch have ended. Called by Transfers::apply, and by Batch::enqueue for members that were refused; at most 500
     members a call. Joined: keys, lanes, batch.
     ARGV[1] batch id, then two values a member: `<queue>/<job id>`, how it ended
     Returns  how many had not ended before | -1 there is no such batch (any more)
     Retry-safe: yes. Whether a member counts is decided by its leaving the set of members, and that happens once. ]]
local id = ARGV[1]
local key = batch_key(id)
local sealed = call('HGET', key, 'sealed')
if call('EXISTS', key) == 0 then return -1 end
local counted, failed = 0, false
for i = 2, #ARGV, 2 do
  -- The first write is one that Redis always allows.
  if call('SREM', members_key(id), ARGV[i]) == 1 then
    call('HINCRBY', key, ARGV[i + 1], 1)
    counted = counted + 1
    failed = failed or ARGV[i + 1] ~= 'finished'
  end
end
if counted == 0 then return 0 end
call('ZADD', batches, 'XX', now + (sealed and BATCH_RUNNING_MS or BATCH_OPEN_MS), id)
if failed then call_back(id, 'failure') end
if call('EXISTS', members_key(id)) == 0 then end_batch(id) end
return counted
