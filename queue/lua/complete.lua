--[[ complete: move jobs from running to finished. Called by Consumer::complete, at most 500 jobs a call. Joined: keys,
     steps, lanes, freed, unique, drop, transfer.
     ARGV[1] finished records kept at most   ARGV[2] number of jobs, then five values a job:
             id, token, keep the record for (ms, 0 = do not), remember the id for (ms, 0 = do not), outcome JSON
             then two values for each of them that is a link of a chain with another behind it: id, the next job
     Returns  per job: 1 finished | -1 missing | -2 lease held by another worker
     Retry-safe: yes, a second call returns -1 and changes nothing. ]]
local finished_max, count = tonumber(ARGV[1]), tonumber(ARGV[2])
local ids, links = {}, {}
for i = 1, count do ids[i] = ARGV[3 + (i - 1) * 5] end
for i = 3 + count * 5, #ARGV, 2 do links[ARGV[i]] = ARGV[i + 1] end
local owners = call('HMGET', leases, unpack(ids))

local replies, won, gone, kept, records, remembered, taken = {}, {}, {}, {}, {}, {}, {}
for i, id in ipairs(ids) do
  local at = 3 + (i - 1) * 5
  if owners[i] ~= ARGV[at + 1] or taken[id] then
    replies[i] = owners[i] and not taken[id] and -2 or -1
  else
    replies[i] = 1
    won[#won + 1] = id
    taken[id] = true
    local keep_ms, remember_ms, outcome = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), ARGV[at + 4]
    if remember_ms > 0 then
      remembered[#remembered + 1] = now + remember_ms
      remembered[#remembered + 1] = id
    end
    if keep_ms > 0 then
      kept[#kept + 1] = now + keep_ms
      kept[#kept + 1] = id
      records[#records + 1] = id
      records[#records + 1] = outcome
    else
      gone[#gone + 1] = id
    end
  end
end
if #won == 0 then return replies end

-- The first write is one that Redis always allows, or finished work could not be settled when its memory is full, and none would get free.
call('HDEL', leases, unpack(won))
call('ZREM', running, unpack(won))
if #remembered > 0 then call('ZADD', seen, unpack(remembered)) end
call('HINCRBY', stats, 'finished', #won)
-- What only some jobs have costs one look a batch when nobody has it.
if call('EXISTS', waited) == 1 then
  for i, id in ipairs(ids) do
    if replies[i] == 1 and call('SREM', waited, id) == 1 then call('PUBLISH', ended_channel, id .. '\n' .. ARGV[3 + (i - 1) * 5 + 4]) end
  end
end
local found = freed(won)
for id, extra in pairs(found) do
  if extra.unique then let_go(id, extra.unique, true) end
  -- A chain's place in a batch goes on with it.
  if extra.batch and not links[id] then end_member(id, extra.batch, 'finished') end
end
if next(links) then
  for _, id in ipairs(won) do
    if links[id] then pass_on(id, found[id] and found[id].batch, links[id]) end
  end
end
local histories = {}
if call('EXISTS', tries) == 1 then
  local tried = call('HMGET', tries, unpack(won))
  for i, id in ipairs(won) do
    if tried[i] then histories[id] = history .. ':' .. id end
  end
  call('HDEL', tries, unpack(won))
end
if call('EXISTS', progress) == 1 then call('HDEL', progress, unpack(won)) end
if call('EXISTS', cancels) == 1 then call('HDEL', cancels, unpack(won)) end
drop_steps(won)
if #gone > 0 then
  call('HDEL', jobs, unpack(gone))
  if call('EXISTS', priorities) == 1 then call('HDEL', priorities, unpack(gone)) end
  if next(found) then call('HDEL', extras, unpack(gone)) end
  drop_logs(gone)
  for _, id in ipairs(gone) do
    if histories[id] then call('UNLINK', histories[id]) end
  end
end
if #kept > 0 then
  call('ZADD', finished, unpack(kept))
  call('HSET', outcomes, unpack(records))
  drop_finished(beyond(finished, finished_max, 500))
end
return replies
