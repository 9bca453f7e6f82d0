--[[ transfer (fragment): what another slot is to hear of a job's end. Needs keys.
     No script touches two slots: the entry is written with the move itself, a worker's mover applies it there, and then drops it here.
     `transfers` (hash: `end <job id>` or `next <job id>` -> a line of JSON { at, batch, state }, for `next` followed by the job to enqueue)
     `transfers_due` (zset: the same names -> when a mover may take it, ms). ]]
local transfers, transfers_due = stem .. 'transfers', stem .. 'transfers_due'

-- An entry that is still there stands: of a job that ended, was requeued and ended again, the first end counts.
local function transfer(name, head, body)
  head.at = now
  if call('HSETNX', transfers, name, cjson.encode(head) .. '\n' .. (body or '')) == 0 then return end
  call('ZADD', transfers_due, now, name)
  wake_one()
end

-- A member of a batch has ended in that state.
local function end_member(id, batch, state)
  transfer('end ' .. id, { batch = batch, state = state })
end

-- A link of a chain has finished, and this is the next one; it has the same place in a batch.
local function pass_on(id, batch, next_job)
  transfer('next ' .. id, { batch = batch }, next_job)
end
