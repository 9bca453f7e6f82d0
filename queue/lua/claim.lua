--[[ claim: one round trip for a whole batch. Recovers lost jobs, promotes due ones, then leases up to `credit` ready jobs by turns.
     Called by Consumer::claim. Joined: keys, steps, touch, lanes, freed, unique, transfer, end, attempts, recover, promote, limits,
     turns.
     ARGV[1] credit (free slots)   ARGV[2] token of this delivery   ARGV[3] lease, ms   ARGV[4] losses until a job is poison
     ARGV[5] notices wanted        ARGV[6] notice lease, ms         ARGV[7] 1 when the worker holds no job at all
     Returns  { now, ms until the next due moment or -1, 1 when ready work is left, pause JSON or '',
                { id, envelope, tries, … }, { id, envelope, outcome, … },
                0, or 1 when the one job is to run alone, or 2 when the worker is to take nothing until it has no job,
                1 when a mover has something to take }
     Retry-safe: what a lost reply leased comes back when its lease runs out. ]]
local credit, token, lease_ms, losses_max = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local notices_max, notice_ms, idle = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7] == '1'

-- The first moment of a set.
local function first(set)
  return tonumber(call('ZRANGE', set, 0, 0, 'WITHSCORES')[2])
end

-- What falls due next, so that idle workers know how long to wait for nothing.
local next_due = nil
local function falls_due(moment)
  if moment and (not next_due or moment < next_due) then next_due = moment end
end

-- The first write of this script is an HSET, which Redis refuses when it is out of memory (after a first write it refuses nothing more):
-- so no job is claimed that could not be leased.
local touched, paused, rich = unpack(call('HMGET', meta, 'touched', 'paused', 'rich'))
touch(lease_ms, touched)
local expires = first(running)
if expires and expires <= now then
  recover(losses_max)
  expires = first(running)
  rich = call('HGET', meta, 'rich')
end
local due = first(scheduled)
if due and due <= now then
  promote()
  due = first(scheduled)
  rich = call('HGET', meta, 'rich')
end
falls_due(due)

paused = paused or ''
if paused ~= '' then
  local resume_at = cjson.decode(paused).resume_at
  if type(resume_at) == 'number' and resume_at <= now then
    call('HDEL', meta, 'paused')
    paused = ''
  elseif type(resume_at) == 'number' then
    falls_due(resume_at)
  end
end

local claimed, more, alone = {}, false, 0
if paused ~= '' then
  -- Nothing is handed out.
elseif rich then
  claimed, more, alone = take_turns(credit, idle, string.match(token, '^(.*):'), lease_ms, falls_due)
else
  claimed = take_in_order(credit)
  more = (#claimed == credit or met >= MET_MAX) and call('EXISTS', ready[DEFAULT_PRIORITY]) == 1
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
    expires = math.min(expires or math.huge, now + lease_ms)
  end
  for id, extra in pairs(extras_of(claimed)) do
    if extra.unique then let_go(id, extra.unique, false) end
  end
end

local terminal = {}
local notice_at = notices_max > 0 and first(notices)
if notice_at and notice_at <= now then
  for _, id in ipairs(call('ZRANGEBYSCORE', notices, '-inf', now, 'LIMIT', 0, notices_max)) do
    call('ZADD', notices, now + notice_ms, id)
    terminal[#terminal + 1] = id
    terminal[#terminal + 1] = call('HGET', jobs, id) or ''
    terminal[#terminal + 1] = call('HGET', outcomes, id) or ''
  end
  notice_at = first(notices)
end

-- Whoever takes a wake token and leaves work behind passes it on.
if more then wake_one() end

falls_due(notice_at)
falls_due(expires)
local transfer_at = first(transfers_due)
local to_move = transfer_at and transfer_at <= now
if not to_move then falls_due(transfer_at) end
-- While jobs run, an idle worker looks in as often as a busy one extends: or a dead worker's silence would look like an outage.
if expires then falls_due(now + math.ceil(lease_ms / 3)) end
local due_in = next_due and math.max(next_due - now, 0) or -1
return { now, due_in, more and 1 or 0, paused, deliveries, terminal, alone, to_move and 1 or 0 }
