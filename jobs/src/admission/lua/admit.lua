--[[ admit: reserves one request, or says what it waits for. Called by Admission::admit. Joined: common.
     ARGV[2] hold (of this try)   ARGV[3] ticket (of the question, the same at every try)   ARGV[4] user or ''
     ARGV[5] tokens, estimated    ARGV[6] micro-USD, estimated   ARGV[7] longest that the hold is needed, ms
     ARGV[8] limits, JSON: rpm, tpm, in_flight, day, month, user_in_flight, user_day, user_month (micro-USD; 0 or absent: none)
     Returns  { 'granted', '1' when there are limits or was a pause a minute ago, else '0' }
            | { 'wait', ms, what it waits for }                 come again then; a place in the line is kept
            | { 'spent', budget, limit, spent, renews at, ms }  nothing more may be spent in that period
            | { 'promised', micro-USD, budget, limit, spent, renews at, ms }  what is left may go to batches under way
            | { 'unknown', token, begin of day, begin of month, ms, user }    what was spent has to be told by `seed` first
            | { 'asked' }                                       somebody is about to tell it
     Retry-safe: a reply that was lost leaves a hold that expires. ]]
local id, ticket, user, tokens, micro, hold_ms = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local limits = cjson.decode(ARGV[8])
local function limit(name) return tonumber(limits[name] or 0) end

-- A ticket is good from so long before its moment.
local EARLY_MS = 20
-- Whoever has not come so long after its moment does not keep others waiting.
local LATE_MS = 2000
-- Tickets of jobs that were cancelled meanwhile.
local FORGET_MS = 600000
-- Between two tickets when no rate is known: after a pause not all come at once.
local SPACING_MS = 50

drop_expired()

-- Money first: where there is none, no turn has to be waited for.
local period = periods()
local short_of_money, in_batches_only = false, nil
for _, budget in ipairs(budgets(period, user, limits)) do
  local spent, in_batches, held = standing(budget)
  if not spent then return ask_the_ledger(period, id, user) end
  local reply = { budget.name, whole(budget.most), whole(spent), whole(budget.period.to) }
  if spent + micro > budget.most then return { 'spent', unpack(reply) } end
  if spent + in_batches + micro > budget.most then
    in_batches_only = in_batches_only or { 'promised', whole(in_batches), unpack(reply) }
  elseif spent + in_batches + held + micro > budget.most then
    -- What others hold may come back to us.
    short_of_money = true
  end
end
if in_batches_only then return in_batches_only end

local requests_at, tokens_at, granted_at, horizon, soon, paused_until, latency_ms, learned_rpm, learned_tpm, share =
  state('requests_at', 'tokens_at', 'granted_at', 'horizon', 'soon', 'paused_until', 'latency_ms', 'learned_rpm', 'learned_tpm', 'share')
local rpm, tpm = narrower(limit('rpm'), learned_rpm), narrower(limit('tpm'), learned_tpm)

-- When each limit lets this request pass, and how far apart it lets such requests follow each other.
local opens_at, reason, spacing = now, 'its turn', 0
local function opens(moment, why)
  if moment > opens_at then opens_at, reason = moment, why end
end
opens(paused_until, 'the provider, which is busy')
local request_ms, token_ms = 0, 0
if rpm > 0 then
  local burst_ms
  request_ms, burst_ms = pace(rpm)
  spacing = math.max(spacing, request_ms)
  opens(requests_at - burst_ms, 'the limit of requests a minute')
end
if tpm > 0 then
  token_ms = tokens * 60000 / (tpm * PACE)
  -- Estimates are large; those that wait follow each other as requests really do.
  spacing = math.max(spacing, token_ms * (share > 0 and share or 1))
  -- A request larger than what may go at once needs the limit to be paid off.
  opens(tokens_at + token_ms - math.max(token_ms, TOKENS_BURST_MS), 'the limit of tokens a minute')
end
local usual_ms = latency_ms > 0 and latency_ms or 1000
local function crowd(key, most, why)
  if most == 0 then return end
  call('ZREMRANGEBYSCORE', key, '-inf', now)
  if call('ZCARD', key) >= most then
    opens(now + usual_ms / most, why)
    spacing = math.max(spacing, usual_ms / most)
  end
end
crowd(flight, limit('in_flight'), 'the limit of requests at once')
if user ~= '' then crowd(user_flight(user), limit('user_in_flight'), "its user's limit of requests at once") end
if short_of_money then opens(now + usual_ms, 'money that other requests hold') end
if spacing == 0 then spacing = SPACING_MS end

local due = tonumber(call('ZSCORE', tickets, ticket) or nil)
local is_open = opens_at <= now
if is_open and not (due and due <= now + EARLY_MS) then
  -- Whoever comes without a ticket, or before its moment, lets those pass that are expected; but not for ever.
  local expected = call('ZRANGEBYSCORE', tickets, now - LATE_MS, '+inf', 'LIMIT', 0, 1)[1]
  local unused_ms = now - math.max(granted_at, requests_at, paused_until)
  if expected and expected ~= ticket and unused_ms < math.max(2 * spacing, 250) then
    is_open, reason = false, 'others that came before'
  end
end

if is_open then
  if rpm > 0 then requests_at = math.max(requests_at, now) + request_ms end
  if tpm > 0 then tokens_at = math.max(tokens_at, now) + token_ms end
  local minute = math.floor(now / 60000)
  local in_minute = tonumber(call('HGET', model_key, 'minute') or 0) == minute and state('in_minute') or 0
  call('HSET', model_key, 'requests_at', requests_at, 'tokens_at', tokens_at, 'granted_at', now, 'minute', minute, 'in_minute', in_minute + 1,
    'limits', ARGV[8])
  call('PEXPIRE', model_key, KEEP_MS)
  call('ZREM', tickets, ticket)
  local expires = now + hold_ms
  local hold = { model = model, user = user, micro = micro, tokens = tokens, at = now }
  call('HSET', holds, id, cjson.encode(hold))
  call('ZADD', expiries, expires, id)
  call('ZADD', flight, expires, id)
  call('PEXPIRE', flight, hold_ms)
  call('HINCRBY', reserved, 'all', micro)
  if user ~= '' then
    call('ZADD', user_flight(user), expires, id)
    call('PEXPIRE', user_flight(user), hold_ms)
    call('HINCRBY', reserved, 'user:' .. user, micro)
  end
  local bound = (rpm > 0 or tpm > 0 or now - paused_until < 60000) and '1' or '0'
  return { 'granted', bound }
end

if due and due > now + EARLY_MS then
  -- It came early: its moment stands, unless the way is closed for longer.
  due = math.max(due, opens_at)
elseif due then
  -- It came in time and found the way closed: soon again, before those that came after it.
  due = math.max(opens_at, soon)
  call('HSET', model_key, 'soon', due + spacing)
else
  due = math.max(opens_at, horizon + spacing)
  call('HSET', model_key, 'horizon', due)
end
call('HSET', model_key, 'limits', ARGV[8])
call('PEXPIRE', model_key, KEEP_MS)
call('ZREMRANGEBYSCORE', tickets, '-inf', now - FORGET_MS)
call('ZADD', tickets, due, ticket)
call('PEXPIRE', tickets, math.ceil(due - now) + FORGET_MS)
return { 'wait', whole(math.max(1, math.ceil(due - now))), reason }
