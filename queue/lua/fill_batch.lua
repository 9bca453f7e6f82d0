--[[ fill_batch: enter members of a batch. Called by Batch::enqueue, at most 500 members a call. Joined: keys, lanes, batch.
     ARGV[1] batch id   ARGV[2] 1 when these are the last   ARGV[3…] members, `<queue>/<job id>`
     Returns  1 entered | 0 it is filled already, or gone; nothing changed: a member that has ended must not come back
     Retry-safe: yes. ]]
local id, last = ARGV[1], ARGV[2] == '1'
if call('HGET', batch_key(id), 'state') ~= 'filling' then return 0 end
if #ARGV > 2 then call('SADD', members_key(id), unpack(ARGV, 3)) end
if last then
  call('HSET', batch_key(id), 'state', 'running')
  if call('EXISTS', members_key(id)) == 0 then end_batch(id) end
end
return 1
