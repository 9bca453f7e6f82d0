--[[ turns (fragment of claim): whose turn it is, in a queue that has more than its default ready list. Needs keys, lanes, limits.
     Priority first; of sixteen jobs handed out while a lower priority waits, one is of a lower priority, and those take turns at it.
     Within a priority the lane with the least virtual time, which grows by a job's units through the weight of its key (start-time fair
     queueing: Goyal, Vin and Cheng, SIGCOMM 1996). A lane that is at its limit rests, and the others go on. An empty lane stays in the ring
     until its turn would come: should it have jobs again before, what it has used is not forgotten. ]]
local PASSED_MAX = 15
-- Suspects looked at, at most, for one that is not at a limit.
local SUSPECTS_MAX = 20
local RESTED_MAX = 500
-- Cancelled jobs, empty lanes and lanes at a limit that one claim meets, at most: whoever cancels a hundred thousand must not make Redis
-- stand still.
local MET_MAX = 1000
local met = 0

local function rest(lane, moment)
  call('ZREM', ring_of(lane), lane)
  call('ZADD', resting, moment, lane)
  met = met + 1
end

-- Lanes whose time has come take part again, and so do ready lists with jobs.
local function gather()
  for _, lane in ipairs(call('ZRANGEBYSCORE', resting, '-inf', now, 'LIMIT', 0, RESTED_MAX)) do
    call('ZREM', resting, lane)
    join(lane)
  end
  for priority = 0, 9 do
    if call('EXISTS', ready[priority]) == 1 then join(lane_of(priority)) end
  end
end

-- The lane whose turn it is in each priority that has one, and how many lanes there are.
local front, lanes = {}, {}
local function look(priority)
  local ring = stem .. 'ring:' .. priority
  local lane = call('ZRANGE', ring, 0, 0)[1]
  while lane and met < MET_MAX and call('EXISTS', list_of(lane)) == 0 do
    call('ZREM', ring, lane)
    met = met + 1
    lane = call('ZRANGE', ring, 0, 0)[1]
  end
  front[priority] = lane
  lanes[priority] = lane and call('ZCARD', ring) or 0
end

local function next_priority(from)
  for priority = from, 9 do
    if front[priority] then return priority end
  end
end

local function units_of(extra)
  return extra and extra.units or 1
end

-- A suspect that may run now, with its key and units.
local function find_suspect(limits, falls_due)
  for _, id in ipairs(call('LRANGE', suspects, 0, SUSPECTS_MAX - 1)) do
    local extra = extra_of(id)
    local key, units = extra and extra.key or '', units_of(extra)
    local may_run_at = math.max(queue_has_units_at(limits, units), key_has_units_at(limits, key, units))
    if may_run_at > now then
      falls_due(may_run_at)
    elseif room_of_key(limits, key) > 0 then
      return id, key, units
    end
  end
end

-- Only one worker at a time empties itself for a suspect's sake; one that is empty takes a suspect anyway.
local function becomes_examiner(worker, lease_ms)
  local examiner, over_at = string.match(call('HGET', meta, 'examiner') or '', '^(.*) (%d+)$')
  if examiner and examiner ~= worker and tonumber(over_at) > now then return false end
  call('HSET', meta, 'examiner', worker .. ' ' .. now + lease_ms)
  return true
end

-- Takes up to n jobs of a lane; cancelled ones are stepped over.
local function pop(lane, n, haunted)
  local ids = {}
  for _, id in ipairs(call('LPOP', list_of(lane), n) or {}) do
    if haunted and call('SREM', ghosts, lane .. ' ' .. id) == 1 then
      met = met + 1
    else
      ids[#ids + 1] = id
    end
  end
  return ids
end

-- Takes up to `credit` jobs. Returns them, whether more could be had, and ALONE when the one job is to run alone, or DRAIN when this worker
-- is to take no more until it has none, as a suspect waits for it.
local ALONE, DRAIN = 1, 2
local function take_turns(credit, idle, worker, lease_ms, falls_due)
  local limits = limits_of()
  local room = room_of_queue(limits)
  gather()
  if room > 0 and call('EXISTS', suspects) == 1 then
    local suspect, key, units = find_suspect(limits, falls_due)
    if suspect and credit > 0 and idle then
      call('LREM', suspects, 1, suspect)
      spend(limits, key, units)
      -- What it leaves behind is for others.
      wake_one()
      return { suspect }, false, ALONE
    elseif suspect and (credit == 0 or becomes_examiner(worker, lease_ms)) then
      -- An idle worker would take it at once.
      wake_one()
      if credit > 0 then return {}, false, DRAIN end
    end
  end
  credit = math.min(credit, room)

  local passed_before, turn_before = unpack(call('HMGET', meta, 'passed', 'turn'))
  passed_before, turn_before = tonumber(passed_before or 0), tonumber(turn_before or 0)
  local passed, turn = passed_before, turn_before
  local haunted = call('EXISTS', ghosts) == 1
  for priority = 0, 9 do look(priority) end
  local claimed, held_up = {}, false
  while #claimed < credit and met < MET_MAX do
    local first = next_priority(0)
    if not first then break end
    local lower = next_priority(math.max(first, turn) + 1) or next_priority(first + 1)
    if not lower then passed = 0 end
    local priority = lower and passed >= PASSED_MAX and lower or first
    local lane = front[priority]
    local key = string.sub(lane, 3)

    local n = credit - #claimed
    if lower then n = priority == first and math.min(n, PASSED_MAX - passed) or 1 end
    local units = 1
    if lanes[priority] > 1 or limits.rate or limits.key_rate then
      n = 1
      units = units_of(extra_of(call('LINDEX', list_of(lane), 0)))
    end
    local queue_may_at = queue_has_units_at(limits, units)
    if queue_may_at > now then
      falls_due(queue_may_at)
      held_up = true
      break
    end
    n = math.min(n, room_of_key(limits, key))
    local key_may_at = key_has_units_at(limits, key, units)
    if n <= 0 then
      rest(lane, '+inf')
    elseif key_may_at > now then
      rest(lane, key_may_at)
    else
      local ids = pop(lane, n, haunted)
      for _, id in ipairs(ids) do
        claimed[#claimed + 1] = id
        spend(limits, key, units)
      end
      if lower and #ids > 0 then
        passed = priority == first and passed + #ids or 0
        if priority ~= first then turn = priority end
      end
      if lanes[priority] > 1 and #ids > 0 then call('ZINCRBY', ring_of(lane), units / weight_of(limits, key), lane) end
    end
    look(priority)
  end
  if passed ~= passed_before or turn ~= turn_before then call('HSET', meta, 'passed', passed, 'turn', turn) end

  local more = next_priority(0) ~= nil
  local rests = call('ZRANGE', resting, 0, 0, 'WITHSCORES')[2]
  if rests and rests ~= 'inf' then falls_due(tonumber(rests)) end
  if not more and call('EXISTS', resting, suspects, stem .. 'limits') == 0 then call('HDEL', meta, 'rich', 'passed', 'turn', 'examiner') end
  return claimed, more and not held_up and room > #claimed, 0
end

-- The same where all jobs wait in the default ready list.
local function take_in_order(credit)
  local claimed = {}
  local haunted = call('EXISTS', ghosts) == 1
  local lane = lane_of(DEFAULT_PRIORITY)
  while #claimed < credit and met < MET_MAX do
    local met_before = met
    local ids = pop(lane, credit - #claimed, haunted)
    for _, id in ipairs(ids) do claimed[#claimed + 1] = id end
    if #ids == 0 and met == met_before then break end
  end
  return claimed
end
