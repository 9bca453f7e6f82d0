--[[ open_batch: begin the record of a batch. Called by Batch::enqueue, before any member is enqueued. Joined: keys, lanes, batch.
     ARGV[1] batch id   ARGV[2] number of members, then four values a callback:
             success, done or failure; its job's name; its id; what is stored of it
     Returns  1 begun, its members are to be filled in | 2 begun before, the same | 3 filled before, its members are to be enqueued
              | 0 sealed before: nothing is left to do | -1 another batch of that id: it has another number of members
              | -2 a callback's id is taken: a batch of that id has been before; nothing changed
     Retry-safe: yes. ]]
local id, total = ARGV[1], tonumber(ARGV[2])
local key = batch_key(id)
local state, total_before, sealed = unpack(call('HMGET', key, 'state', 'total', 'sealed'))
if state then
  if tonumber(total_before) ~= total then return -1 end
  if state == 'filling' then return 2 end
  return sealed and 0 or 3
end
for i = 3, #ARGV, 4 do
  local job_id = ARGV[i + 2]
  if call('HEXISTS', jobs, job_id) == 1 or tonumber(call('ZSCORE', seen, job_id) or 0) > now then return -2 end
end
call('HSET', key, 'state', 'filling', 'total', total, 'created', now)
for i = 3, #ARGV, 4 do
  local when = ARGV[i]
  call('HSET', key, when .. ':job', ARGV[i + 1], when .. ':id', ARGV[i + 2], when .. ':callback', ARGV[i + 3])
  -- Nobody else is to take its id meanwhile.
  call('ZADD', seen, now + BATCH_RUNNING_MS, ARGV[i + 2])
end
call('ZADD', batches, now + BATCH_OPEN_MS, id)
return 1
