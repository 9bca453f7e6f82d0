--[[ batch (fragment): the record of a batch, in the slot of its home queue. Needs keys, lanes.
     `batch:<id>` (hash: state, total, created, sealed, ended, the number of members by how they ended, and for each callback `<when>:job`,
     `<when>:id`, `<when>:called`, and until it is called or not wanted any more `<when>:callback`: a line of JSON, then the envelope)
     `batch_members:<id>` (set: `<queue>/<job id>` of members that have not ended)
     `batches`, `batches_ended` (zsets: id -> when it is forgotten, ms). ]]
local batches, batches_ended = stem .. 'batches', stem .. 'batches_ended'

-- Until it is sealed: whoever opened it may have died. As long as members are remembered after their end, so that none outlives its batch
-- and would be taken for a member of the next one of that name.
local BATCH_OPEN_MS, BATCH_ENDED_MS = 86400000, 86400000
-- After its last sign of life.
local BATCH_RUNNING_MS = 2592000000
local ENDS = { 'finished', 'dead', 'cancelled', 'expired', 'rejected' }

local function batch_key(id)
  return stem .. 'batch:' .. id
end

local function members_key(id)
  return stem .. 'batch_members:' .. id
end

-- What a callback is told.
local function tally(id)
  local told = { id = id }
  local values = call('HMGET', batch_key(id), 'total', unpack(ENDS))
  told.total = tonumber(values[1])
  for i, state in ipairs(ENDS) do told[state] = tonumber(values[i + 1] or 0) end
  return told
end

-- Enqueues a callback, if there is one that waits: it is taken out of the record with the same move, and so comes once.
local function call_back(id, when)
  local stored = call('HGET', batch_key(id), when .. ':callback')
  if not stored then return end
  local line_end = string.find(stored, '\n', 1, true)
  local job = cjson.decode(string.sub(stored, 1, line_end - 1))
  call('HSET', jobs, job.id, '{"batch":' .. cjson.encode(tally(id)) .. ',' .. string.sub(stored, line_end + 2))
  if job.priority ~= DEFAULT_PRIORITY then call('HSET', priorities, job.id, job.priority) end
  if job.extra ~= '' then call('HSET', extras, job.id, job.extra) end
  if job.delay_ms > 0 then
    call('ZADD', scheduled, now + job.delay_ms, job.id)
  else
    line_up(describe({ job.id }), 'RPUSH')
  end
  call('HINCRBY', stats, 'enqueued', 1)
  -- Its id was reserved.
  call('ZREM', seen, job.id)
  call('HDEL', batch_key(id), when .. ':callback')
  call('HSET', batch_key(id), when .. ':called', now)
  wake_one()
end

-- All members have ended.
local function end_batch(id)
  call('HSET', batch_key(id), 'state', 'ended', 'ended', now)
  call('ZREM', batches, id)
  call('ZADD', batches_ended, now + BATCH_ENDED_MS, id)
  local told = tally(id)
  if told.finished == told.total then call_back(id, 'success') end
  call_back(id, 'done')
  for _, when in ipairs({ 'success', 'failure' }) do
    if call('HDEL', batch_key(id), when .. ':callback') == 1 then call('ZREM', seen, call('HGET', batch_key(id), when .. ':id')) end
  end
end
