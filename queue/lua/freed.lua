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

-- Called after the leases are gone. A lane that rested for want of room takes part again; should it still have none, claim lays it to rest.
local function freed(ids)
  local found = extras_of(ids)
  local rested = next(found) and call('EXISTS', resting) == 1
  for _, extra in pairs(found) do
    if extra.key then
      if call('HINCRBY', stem .. 'busy', extra.key, -1) <= 0 then call('HDEL', stem .. 'busy', extra.key) end
      for priority = 0, rested and 9 or -1 do
        local lane = lane_of(priority, extra.key)
        if call('ZREM', resting, lane) == 1 then join(lane) end
      end
    end
  end
  if call('EXISTS', stem .. 'limits') == 1 then wake_one() end
  return found
end
