--[[ turns (fragment of claim): whose turn it is, in a queue that has more than its default ready list. Needs keys, lanes, limits.
     Priority first; of sixteen jobs handed out while a lower priority waits, one is of a lower priority, and those take turns at it.
     Within a priority the lane with the least virtual time, which grows by a job's units through the weight of its key (start-time fair
     queueing: Goyal, Vin and Cheng, SIGCOMM 1996). A lane that is at its limit rests, and the others go on. ]]
local PASSED_MAX = 15
-- Suspects looked at, at most, for one that is not at a limit.
local SUSPECTS_MAX = 20
local RESTED_MAX = 500
-- Cancelled jobs that one claim steps over, at most: whoever cancels a hundred thousand must not make Redis stand still.
local GHOSTS_MAX = 1000

local function rest(lane, moment)
  call('ZREM', ring_of(lane), lane)
  call('ZADD', resting, moment, lane)
end

-- Lanes whose time has come take part again, and so do ready lists with jobs.
local function gather()
  for _, lane in ipairs(call('ZRANGEBYSCORE', resting, '-inf', now, 'LIMIT', 0, RESTED_MAX)) do
    call('ZREM', resting, lane)
    if call('EXISTS', list_of(lane)) == 1 then join(lane) end
  end
  for priority = 0, 9 do
    if call('EXISTS', ready[priority]) == 1 then join(lane_of(priority)) end
  end
end

-- The lane whose turn it is in each priority that has one, and how many lanes there are.
local front, lanes = {}, {}
local function look(priority)
  local ring = stem .. 'ring:' .. priority
  front[priority] = call('ZRANGE', ring, 0, 0)[1]
  lanes[priority] = front[priority] and call('ZCARD', ring) or 0
end

local function next_priority(from)
  for priority = from, 9 do
    if front[priority] then return priority end
  end
end

-- A suspect that may run now.
local function find_suspect(limits)
  for _, id in ipairs(call('LRANGE', suspects, 0, SUSPECTS_MAX - 1)) do
    local extra = extra_of(id)
    if not (extra and extra.key) or room_of_key(limits, extra.key) > 0 then return id end
  end
end

-- Only one worker at a time empties itself for a suspect's sake; one that is empty takes a suspect anyway.
local function becomes_examiner(worker, lease_ms)
  local examiner, over_at = string.match(call('HGET', meta, 'examiner') or '', '^(.*) (%d+)$')
  if examiner and examiner ~= worker and tonumber(over_at) > now then return false end
  call('HSET', meta, 'examiner', worker .. ' ' .. now + lease_ms)
  return true
end

-- Takes up to n jobs of a lane. Returns them, and how many cancelled ones were stepped over.
local function pop(lane, n, haunted)
  local ids, ghostly = {}, 0
  for _, id in ipairs(call('LPOP', list_of(lane), n) or {}) do
    if haunted and call('SREM', ghosts, lane .. ' ' .. id) == 1 then
      ghostly = ghostly + 1
    else
      ids[#ids + 1] = id
    end
  end
  return ids, ghostly
end

-- Takes up to `credit` jobs. Returns them, whether more could be had, and ALONE when the one job is to run alone, or DRAIN when this worker
-- is to take no more until it has none, as a suspect waits for it.
local ALONE, DRAIN = 1, 2
local function take_turns(credit, idle, worker, lease_ms, falls_due)
  local limits = limits_of()
  local claimed, stepped_over, held_up = {}, 0, false
  local room = room_of_queue(limits)
  gather()
  local suspect = room > 0 and call('EXISTS', suspects) == 1 and find_suspect(limits)
  if suspect and credit > 0 and idle then
    call('LREM', suspects, 1, suspect)
    local extra = extra_of(suspect)
    spend(limits, extra and extra.key, extra and extra.units or 1)
    -- What it leaves behind is for others.
    wake_one()
    return { suspect }, false, ALONE
  elseif suspect and (credit == 0 or becomes_examiner(worker, lease_ms)) then
    -- An idle worker would take it at once.
    wake_one()
    if credit > 0 then return {}, false, DRAIN end
  end
  credit = math.min(credit, room)

  local passed, turn = unpack(call('HMGET', meta, 'passed', 'turn'))
  local passed_before, turn_before = tonumber(passed or 0), tonumber(turn or 0)
  passed, turn = passed_before, turn_before
  local haunted = call('EXISTS', ghosts) == 1
  for priority = 0, 9 do look(priority) end
  while #claimed < credit and stepped_over < GHOSTS_MAX do
    local first = next_priority(0)
    if not first then break end
    local lower = next_priority(math.max(first, turn) + 1) or next_priority(first + 1)
    if not lower then passed = 0 end
    local priority = lower and passed >= PASSED_MAX and lower or first
    local lane = front[priority]
    local key = string.sub(lane, 3)
    local list = list_of(lane)

    local n = credit - #claimed
    if lower then n = priority == first and math.min(n, PASSED_MAX - passed) or 1 end
    if lanes[priority] > 1 or limits.rate or limits.key_rate then n = 1 end
    local units = 1
    if n == 1 then
      local extra = extra_of(call('LINDEX', list, 0) or '')
      units = extra and extra.units or 1
    end
    local may_run_at = queue_has_units_at(limits, units)
    if may_run_at > now then
      falls_due(may_run_at)
      held_up = true
      break
    end
    local room = key == '' and n or math.min(n, room_of_key(limits, key))
    local key_may_run_at = key == '' and 0 or key_has_units_at(limits, key, units)
    if room <= 0 then
      rest(lane, '+inf')
    elseif key_may_run_at > now then
      rest(lane, key_may_run_at)
    else
      local ids, ghostly = pop(lane, room, haunted)
      stepped_over = stepped_over + ghostly
      for _, id in ipairs(ids) do
        claimed[#claimed + 1] = id
        spend(limits, key, units)
      end
      if lower and #ids > 0 then
        passed = priority == first and passed + #ids or 0
        if priority ~= first then turn = priority end
      end
      if call('EXISTS', list) == 0 then
        call('ZREM', ring_of(lane), lane)
      elseif lanes[priority] > 1 and #ids > 0 then
        call('ZINCRBY', ring_of(lane), units / weight_of(limits, key), lane)
      end
    end
    look(priority)
  end
  if passed ~= passed_before or turn ~= turn_before then call('HSET', meta, 'passed', passed, 'turn', turn) end

  local more = next_priority(0) ~= nil
  local rests = call('ZRANGE', resting, 0, 0, 'WITHSCORES')[2]
  if rests and rests ~= 'inf' then falls_due(tonumber(rests)) end
  if not more and call('EXISTS', resting, suspects, stem .. 'limits') == 0 then call('HDEL', meta, 'rich', 'passed', 'turn', 'examiner') end
  return claimed, more and not held_up and room_of_queue(limits) > #claimed, 0
end

-- The same where all jobs wait in the default ready list.
local function take_in_order(credit)
  local claimed, stepped_over = {}, 0
  local haunted = call('EXISTS', ghosts) == 1
  local lane = lane_of(DEFAULT_PRIORITY)
  while #claimed < credit and stepped_over < GHOSTS_MAX do
    local ids, ghostly = pop(lane, credit - #claimed, haunted)
    if #ids + ghostly == 0 then break end
    stepped_over = stepped_over + ghostly
    for _, id in ipairs(ids) do claimed[#claimed + 1] = id end
  end
  return claimed
end
