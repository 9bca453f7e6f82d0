--[[ enqueue: put new jobs in the queue, ready or (schedule) due later. Called by Client::enqueue, at most 500 jobs a call.
     ARGV[1] number of jobs, then five values a job:
             id, envelope, priority 0-9, due (ms since the epoch, 0 = now), delay (ms from now, used when due is 0)
     Returns  per job: 1 ready | 2 scheduled | 0 that id exists or is remembered; nothing changed
     Retry-safe: yes, a second call finds the ids. ]]
local count = tonumber(ARGV[1])
local ids = {}
for i = 1, count do ids[i] = ARGV[2 + (i - 1) * 5] end
local known = call('HMGET', jobs, unpack(ids))
local remembered = call('EXISTS', seen) == 1 and call('ZMSCORE', seen, unpack(ids)) or {}

local replies, fresh, by_priority, taken = {}, {}, {}, {}
local earliest_before = call('ZRANGE', scheduled, 0, 0, 'WITHSCORES')[2]
local earliest, made_ready = nil, false
for i = 1, count do
  local at = 2 + (i - 1) * 5
  local id, priority = ids[i], tonumber(ARGV[at + 2])
  local due = tonumber(ARGV[at + 3])
  if due == 0 and tonumber(ARGV[at + 4]) > 0 then due = now + tonumber(ARGV[at + 4]) end
  local until_forgotten = remembered[i] and tonumber(remembered[i]) or 0
  if known[i] or until_forgotten > now or taken[id] then
    replies[i] = 0
  else
    taken[id] = true
    fresh[#fresh + 1] = id
    fresh[#fresh + 1] = ARGV[at + 1]
    if priority ~= DEFAULT_PRIORITY then call('HSET', priorities, id, priority) end
    if due > now then
      call('ZADD', scheduled, due, id)
      if not earliest or due < earliest then earliest = due end
      replies[i] = 2
    else
      local list = by_priority[priority] or {}
      list[#list + 1] = id
      by_priority[priority] = list
      made_ready = true
      replies[i] = 1
    end
  end
end
if #fresh == 0 then return replies end
call('HSET', jobs, unpack(fresh))
for priority, list in pairs(by_priority) do call('RPUSH', ready[priority], unpack(list)) end
call('HINCRBY', stats, 'enqueued', #fresh / 2)
-- A worker waits for the earliest due moment by its own timer, so it must hear when that moves forward.
if made_ready or (earliest and (not earliest_before or earliest < tonumber(earliest_before))) then wake_one() end
return replies
