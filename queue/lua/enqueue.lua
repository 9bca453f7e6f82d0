--[[ enqueue: put new jobs in the queue, ready or (schedule) due later. Called by Client::enqueue, at most 500 jobs a call.
     Joined: keys, steps, lanes, unique.
     ARGV[1] number of jobs, then six values a job:
             id, envelope, priority 0-9, due (ms since the epoch, 0 = now), delay (ms from now, used when due is 0),
             '' or what only some jobs have, JSON: { key, units, unique: { key, scope, period_ms, conflict } }
     Returns  per job: 1 ready | 2 scheduled | 0 that id exists or is remembered; nothing changed
              | '=<id>' that job has the unique key; nothing changed | '~<id>' that waiting job has taken over the arguments
     Retry-safe: yes, a second call finds the ids. ]]
local count = tonumber(ARGV[1])
local ids = {}
for i = 1, count do ids[i] = ARGV[2 + (i - 1) * 6] end
local known = call('HMGET', jobs, unpack(ids))
local remembered = call('EXISTS', seen) == 1 and call('ZMSCORE', seen, unpack(ids)) or {}

-- Whether a job waits and so may still take other arguments.
local function waits(id)
  return call('HEXISTS', jobs, id) == 1 and call('HEXISTS', leases, id) == 0 and call('HEXISTS', outcomes, id) == 0
end

-- Other arguments for a job that waits. It stays what it was to whoever enqueued it: confirmed in the outbox or not, remembered by its id
-- or not; what its steps came to with the old arguments is dropped. (A quote inside a text of the header is escaped, so these patterns meet its fields alone.)
local function take_over(holder, envelope)
  local before = string.match(call('HGET', jobs, holder), '^[^\n]*')
  local header, payload = string.match(envelope, '^([^\n]*)}(\n.*)$')
  for _, field in ipairs({ ',"origin":"%a+"', ',"remember_ms":%d+' }) do
    header = string.gsub(header, field, '', 1) .. (string.match(before, field) or '')
  end
  call('HSET', jobs, holder, header .. '}' .. payload)
  drop_steps({ holder })
end

-- The unique key is taken: the holder stays as it is, or takes over the arguments, or (keep_last) the moment as well.
local function settle_conflict(holder, unique, envelope, due)
  if unique.conflict == 'reject' or not waits(holder) then return '=' .. holder end
  take_over(holder, envelope)
  if unique.conflict == 'keep_last' and due > now and call('ZADD', scheduled, 'XX', 'CH', due, holder) == 1 then wake_one() end
  return '~' .. holder
end

local replies, fresh, by_priority, places, taken = {}, {}, {}, {}, {}
local earliest_before = call('ZRANGE', scheduled, 0, 0, 'WITHSCORES')[2]
local earliest, made_ready, rich, fresh_count = nil, false, false, 0
for i = 1, count do
  local at = 2 + (i - 1) * 6
  local id, envelope, priority = ids[i], ARGV[at + 1], tonumber(ARGV[at + 2])
  local due = tonumber(ARGV[at + 3])
  if due == 0 and tonumber(ARGV[at + 4]) > 0 then due = now + tonumber(ARGV[at + 4]) end
  local extra = ARGV[at + 5] ~= '' and cjson.decode(ARGV[at + 5]) or nil
  local until_forgotten = remembered[i] and tonumber(remembered[i]) or 0
  local is_known = known[i] or until_forgotten > now or taken[id]
  local holder = not is_known and extra and extra.unique and holder_of(extra.unique.key)
  if is_known then
    replies[i] = 0
  elseif holder then
    replies[i] = settle_conflict(holder, extra.unique, envelope, due)
  else
    taken[id] = true
    fresh_count = fresh_count + 1
    if extra then
      -- At once, as a job of the same call may be in conflict with it.
      call('HSET', jobs, id, envelope)
      call('HSET', extras, id, ARGV[at + 5])
      if extra.unique then take_hold(id, extra.unique) end
    else
      fresh[#fresh + 1] = id
      fresh[#fresh + 1] = envelope
    end
    if priority ~= DEFAULT_PRIORITY then call('HSET', priorities, id, priority) end
    if due > now then
      call('ZADD', scheduled, due, id)
      if not earliest or due < earliest then earliest = due end
      replies[i] = 2
    else
      if extra and extra.key then
        places[#places + 1] = { id = id, lane = lane_of(priority, extra.key) }
      else
        local list = by_priority[priority] or {}
        list[#list + 1] = id
        by_priority[priority] = list
        rich = rich or priority ~= DEFAULT_PRIORITY
      end
      made_ready = true
      replies[i] = 1
    end
  end
end
if fresh_count == 0 then return replies end
if #fresh > 0 then call('HSET', jobs, unpack(fresh)) end
for priority, list in pairs(by_priority) do call('RPUSH', ready[priority], unpack(list)) end
if #places > 0 then line_up(places, 'RPUSH') end
if rich then call('HSET', meta, 'rich', 1) end
call('HINCRBY', stats, 'enqueued', fresh_count)
-- A worker waits for the earliest due moment by its own timer, so it must hear when that moves forward.
if made_ready or (earliest and (not earliest_before or earliest < tonumber(earliest_before))) then wake_one() end
return replies
