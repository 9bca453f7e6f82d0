--[[ claim: one round trip for a whole batch. Recovers lost jobs, promotes due ones, then leases up to `credit` ready jobs by priority.
     Called by Consumer::claim. Joined: keys, touch, end, attempts, recover, promote.
     ARGV[1] credit (free slots)   ARGV[2] token of this delivery   ARGV[3] lease, ms   ARGV[4] losses until a job is poison
     ARGV[5] notices wanted        ARGV[6] notice lease, ms
     Returns  { now, ms until the next due moment or -1, 1 when ready work is left, pause JSON or '',
                { id, envelope, tries, … }, { id, envelope, outcome, … } }
     Retry-safe: what a lost reply leased comes back when its lease runs out. ]]
local credit, token, lease_ms, losses_max = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local notices_max, notice_ms = tonumber(ARGV[5]), tonumber(ARGV[6])
-- Cancelled jobs that one claim steps over, at most: whoever cancels a hundred thousand must not make Redis stand still.
local GHOSTS_MAX = 1000

-- The first write of this script is an HSET, which Redis refuses when it is out of memory (after a first write it refuses nothing more):
-- so no job is claimed that could not be leased.
touch(lease_ms)
recover(losses_max)
promote()

-- What falls due next, so that idle workers know how long to wait for nothing.
local next_due = nil
local function falls_due(moment)
  if moment and (not next_due or moment < next_due) then next_due = moment end
end

local paused = call('HGET', meta, 'paused') or ''
if paused ~= '' then
  local resume_at = cjson.decode(paused).resume_at
  if type(resume_at) == 'number' and resume_at <= now then
    call('HDEL', meta, 'paused')
    paused = ''
  elseif type(resume_at) == 'number' then
    falls_due(resume_at)
  end
end

local claimed = {}
if paused == '' and credit > 0 then
  local haunted, stepped_over = call('EXISTS', ghosts) == 1, 0
  for priority = 0, 9 do
    while #claimed < credit and stepped_over < GHOSTS_MAX do
      local ids = call('LPOP', ready[priority], credit - #claimed)
      if not ids or #ids == 0 then break end
      for _, id in ipairs(ids) do
        if haunted and call('SREM', ghosts, priority .. ':' .. id) == 1 then
          stepped_over = stepped_over + 1
        else
          claimed[#claimed + 1] = id
        end
      end
    end
  end
end

local deliveries = {}
if #claimed > 0 then
  local envelopes = call('HMGET', jobs, unpack(claimed))
  local tried = call('EXISTS', tries) == 1 and call('HMGET', tries, unpack(claimed)) or {}
  local expiries, owners = {}, {}
  for i, id in ipairs(claimed) do
    if envelopes[i] then
      expiries[#expiries + 1] = now + lease_ms
      expiries[#expiries + 1] = id
      owners[#owners + 1] = id
      owners[#owners + 1] = token
      deliveries[#deliveries + 1] = id
      deliveries[#deliveries + 1] = envelopes[i]
      deliveries[#deliveries + 1] = tried[i] or ''
    end
  end
  if #owners > 0 then
    call('ZADD', running, unpack(expiries))
    call('HSET', leases, unpack(owners))
  end
end

local terminal = {}
if notices_max > 0 and call('EXISTS', notices) == 1 then
  for _, id in ipairs(call('ZRANGEBYSCORE', notices, '-inf', now, 'LIMIT', 0, notices_max)) do
    call('ZADD', notices, now + notice_ms, id)
    terminal[#terminal + 1] = id
    terminal[#terminal + 1] = call('HGET', jobs, id) or ''
    terminal[#terminal + 1] = call('HGET', outcomes, id) or ''
  end
end

-- Whoever takes a wake token and leaves work behind passes it on.
local left = 0
if paused == '' and call('EXISTS', ready[0], unpack(ready)) > 0 then
  left = 1
  wake_one()
end

local function first(set)
  return tonumber(call('ZRANGE', set, 0, 0, 'WITHSCORES')[2])
end
falls_due(first(scheduled))
if notices_max > 0 then falls_due(first(notices)) end
local expires = first(running)
falls_due(expires)
-- While jobs run, an idle worker looks in as often as a busy one extends: or a dead worker's silence would look like an outage.
if expires then falls_due(now + math.ceil(lease_ms / 3)) end
local due_in = next_due and math.max(next_due - now, 0) or -1
return { now, due_in, left, paused, deliveries, terminal }
