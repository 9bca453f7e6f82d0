--[[ freed (fragment): what a run that is over makes room for. Needs keys, lanes. ]]

-- What only some jobs have, per job, of many; nothing where no job has any.
local function extras_of(ids)
  if call('EXISTS', extras) == 0 then return {} end
  local texts = call('HMGET', extras, unpack(ids))
  local found = {}
  for i, id in ipairs(ids) do
    if texts[i] then found[id] = cjson.decode(texts[i]) end
  end
  return found
end

-- Lanes of a key that rested until one of its jobs ends take part again; should they have no room yet, claim lays them to rest.
local function rouse(key)
  local lanes = {}
  for priority = 0, 9 do lanes[#lanes + 1] = lane_of(priority, key) end
  local roused = false
  for i, moment in ipairs(call('ZMSCORE', resting, unpack(lanes))) do
    if moment == 'inf' then
      call('ZREM', resting, lanes[i])
      join(lanes[i])
      roused = true
    end
  end
  return roused
end

-- Called after the leases are gone. Wakes somebody where a limit may have held work back.
local function freed(ids)
  local found = extras_of(ids)
  local ended, roused = {}, false
  for _, extra in pairs(found) do
    if extra.key then ended[extra.key] = (ended[extra.key] or 0) + 1 end
  end
  if next(ended) then
    local rested = call('EXISTS', resting) == 1
    for key, count in pairs(ended) do
      if call('HINCRBY', stem .. 'busy', key, -count) <= 0 then call('HDEL', stem .. 'busy', key) end
      roused = rested and rouse(key) or roused
    end
  end
  if call('EXISTS', stem .. 'limits') == 1 then
    local max = call('HGET', stem .. 'limits', 'concurrency')
    local was_full = max and call('ZCARD', running) + #ids >= tonumber(max)
    if roused or was_full or call('EXISTS', suspects) == 1 then wake_one() end
  end
  return found
end
