--[[ lanes (fragment): where jobs wait for their turn. Needs keys.lua.
     A lane is a list of ids: a job without a key waits in the ready list of its priority, one with a key in a lane of both.
     A lane's name is `<priority>@<key>`; the ready lists are the lanes without a key. A job whose worker died while it ran it waits among
     the suspects. The ring of a priority holds its lanes by virtual time; a lane that may not run for now rests.
     As long as every job waits in the default ready list, `rich` is not set and none of this is looked at. ]]
local resting, suspects = stem .. 'resting', stem .. 'suspects'

local function lane_of(priority, key)
  return priority .. '@' .. (key or '')
end

local function priority_of_lane(lane)
  return tonumber(string.sub(lane, 1, 1))
end

local function list_of(lane)
  if #lane == 2 then return ready[priority_of_lane(lane)] end
  return stem .. 'lane:' .. lane
end

local function ring_of(lane)
  return stem .. 'ring:' .. string.sub(lane, 1, 1)
end

-- Lets a lane take part, unless it does, beside the one whose turn is next: it is owed nothing for the time when it had no jobs.
local function join(lane)
  local ring = ring_of(lane)
  if call('ZSCORE', ring, lane) or call('ZSCORE', resting, lane) then return end
  call('ZADD', ring, call('ZRANGE', ring, 0, 0, 'WITHSCORES')[2] or 0, lane)
end

local function extra_of(id)
  local extra = call('HGET', extras, id)
  return extra and cjson.decode(extra)
end

-- Where these jobs are to wait: per job { id, lane, suspect }.
local function describe(ids)
  local priority = call('EXISTS', priorities) == 1 and call('HMGET', priorities, unpack(ids)) or {}
  local extra = call('EXISTS', extras) == 1 and call('HMGET', extras, unpack(ids)) or {}
  local tried = call('EXISTS', tries) == 1 and call('HMGET', tries, unpack(ids)) or {}
  local places = {}
  for i, id in ipairs(ids) do
    local key = extra[i] and cjson.decode(extra[i]).key
    local losses = tried[i] and string.match(tried[i], '^%d+ (%d+)') or '0'
    places[i] = { id = id, lane = lane_of(priority[i] or DEFAULT_PRIORITY, key), suspect = losses ~= '0' }
  end
  return places
end

-- Puts described jobs in line: 'RPUSH' at the tails, in their order; 'LPUSH' at the heads, the last one first.
local function line_up(places, push)
  local lists, lanes = {}, {}
  local rich = false
  for _, place in ipairs(places) do
    local list = place.suspect and suspects or list_of(place.lane)
    rich = rich or list ~= ready[DEFAULT_PRIORITY]
    if not place.suspect and #place.lane > 2 then lanes[place.lane] = true end
    lists[list] = lists[list] or {}
    table.insert(lists[list], place.id)
  end
  for list, ids in pairs(lists) do call(push, list, unpack(ids)) end
  for lane in pairs(lanes) do join(lane) end
  if rich then call('HSET', meta, 'rich', 1) end
end
