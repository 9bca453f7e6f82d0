--[[ common: what every move of the admission shares. Joined in before each. All keys carry the tag {@admission}: one cluster slot.
     KEYS[1]  <prefix>:{@admission}:model:<model>   (hash: state of one model's limits, the fields of which stand below)
     Derived from its stem, with the same tag:
       flight:<model>      (zset: hold -> expiry, ms)          requests on the way
       flight:user:<user>  (zset: hold -> expiry, ms)          the same of one user
       tickets:<model>     (zset: ticket -> due, ms)           whoever waits, and when it is to come
       holds               (hash: hold -> JSON)                what each reservation holds
       expiries            (zset: hold -> expiry, ms)
       reserved            (hash: 'all' or 'user:<user>' -> micro-USD on hold)
       spent:<period>      (hash: the same fields -> micro-USD) rebuilt from the ledger every ten minutes
       promised            (hash: the same fields -> micro-USD) what batches under way may cost, rebuilt like it
     ARGV[1]  0, or the moment that counts as now (tests), ms
     Fields of KEYS[1]: requests_at, tokens_at (when the limit is paid off, ms), granted_at, horizon (the latest ticket), soon (the latest
     ticket of those that came late), paused_until, paused_at, level (of the backoff), latency_ms, learned_rpm, learned_tpm, minute,
     in_minute, share (of the estimate that is really used), limits (as last told by a worker). ]]
local call = redis.call
local model_key = KEYS[1]
local stem, model = string.match(model_key, '^(.*}:)model:(.*)$')
local flight, tickets = stem .. 'flight:' .. model, stem .. 'tickets:' .. model
local holds, expiries, reserved, promised = stem .. 'holds', stem .. 'expiries', stem .. 'reserved', stem .. 'promised'

local now = tonumber(ARGV[1])
if now == 0 then
  local time = call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Part of a minute's limit that is paced; the rest absorbs what arrives unevenly.
local PACE = 0.99
-- A tenth of a minute's tokens may go at once.
local TOKENS_BURST_MS = 6000
-- A hold that nobody settled is dropped so many at a time.
local EXPIRED_MAX = 200
-- What was spent is asked of the ledger anew this often, so that nothing is wrong for long.
local REBUILD_MS = 600000
-- Whoever has not told within that time what was spent is not going to.
local ASKED_MS = 2000
-- State of a model that is asked no more.
local KEEP_MS = 7 * 86400000

local function whole(number) return string.format('%.0f', number) end

local function user_flight(user) return stem .. 'flight:user:' .. user end

-- Of a day that is so many days after 1970-01-01: year and month. (Hinnant, "chrono-Compatible Low-Level Date Algorithms")
local function civil(days)
  local shifted = days + 719468
  local era = math.floor(shifted / 146097)
  local doe = shifted - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local month = mp < 10 and mp + 3 or mp - 9
  return yoe + era * 400 + (month <= 2 and 1 or 0), month
end

local function first_of_month(year, month)
  if month <= 2 then year = year - 1 end
  local era = math.floor(year / 400)
  local yoe = year - era * 400
  local doy = math.floor((153 * (month > 2 and month - 3 or month + 9) + 2) / 5)
  return era * 146097 + yoe * 365 + math.floor(yoe / 4) - math.floor(yoe / 100) + doy - 719468
end

-- The periods that budgets run in, both in UTC: name of the key, when it began and when the next begins, ms.
local function periods()
  local today = math.floor(now / 86400000)
  local year, month = civil(today)
  local next_year, next_month = year, month + 1
  if next_month > 12 then next_year, next_month = year + 1, 1 end
  return {
    day = { key = stem .. 'spent:day:' .. today, from = today * 86400000, to = (today + 1) * 86400000 },
    month = {
      key = stem .. 'spent:month:' .. year .. '-' .. month,
      from = first_of_month(year, month) * 86400000,
      to = first_of_month(next_year, next_month) * 86400000,
    },
  }
end

-- Everything that the ledger tells.
local function books(period) return { period.day.key, period.month.key, promised } end

-- The budgets that hold for work of that user.
local function budgets(period, user, limits)
  local all = {
    { name = 'day', period = period.day, field = 'all' },
    { name = 'month', period = period.month, field = 'all' },
    { name = 'user_day', period = period.day, field = 'user:' .. user },
    { name = 'user_month', period = period.month, field = 'user:' .. user },
  }
  local set = {}
  for _, budget in ipairs(all) do
    budget.most = tonumber(limits[budget.name] or 0)
    if budget.most > 0 and budget.field ~= 'user:' then set[#set + 1] = budget end
  end
  return set
end

-- What is spent of a budget, what batches may still take of it, and what requests on the way hold; nothing where the ledger has to tell.
local function standing(budget)
  local spent, in_batches = call('HGET', budget.period.key, budget.field), call('HGET', promised, budget.field)
  if not spent or not in_batches then return nil end
  return tonumber(spent), tonumber(in_batches), tonumber(call('HGET', reserved, budget.field) or 0)
end

-- The reply to whoever finds a budget of which nothing is known: that it, or somebody who came before, asks the ledger.
local function ask_the_ledger(period, id, user)
  if call('HEXISTS', period.day.key, 'token') == 1 and now - tonumber(call('HGET', period.day.key, 'asked_at') or 0) < ASKED_MS then
    return { 'asked' }
  end
  for _, key in ipairs(books(period)) do
    call('HSET', key, 'token', id, 'asked_at', now)
    if call('PTTL', key) < 0 then call('PEXPIRE', key, REBUILD_MS) end
  end
  return { 'unknown', id, whole(period.day.from), whole(period.month.from), user }
end

-- Gives back what a hold has reserved; returns it, or nothing when it is gone.
local function drop(id)
  local json = call('HGET', holds, id)
  if not json then return nil end
  local hold = cjson.decode(json)
  call('HDEL', holds, id)
  call('ZREM', expiries, id)
  call('ZREM', stem .. 'flight:' .. hold.model, id)
  local fields = { 'all' }
  if hold.user ~= '' then
    call('ZREM', user_flight(hold.user), id)
    fields[2] = 'user:' .. hold.user
  end
  for _, field in ipairs(fields) do
    if call('HINCRBY', reserved, field, -hold.micro) <= 0 then call('HDEL', reserved, field) end
  end
  return hold
end

local function drop_expired()
  for _, id in ipairs(call('ZRANGEBYSCORE', expiries, '-inf', now, 'LIMIT', 0, EXPIRED_MAX)) do
    if not drop(id) then call('ZREM', expiries, id) end
  end
end

-- Several fields of the model's state as numbers, 0 where there is none.
local function state(...)
  local numbers = call('HMGET', model_key, ...)
  for i = 1, #numbers do numbers[i] = tonumber(numbers[i] or 0) or 0 end
  return unpack(numbers)
end

-- Of requests that a minute allows: how far apart they go, and how much of that may go at once, ms.
local function pace(rpm)
  local request_ms = 60000 / (rpm * PACE)
  return request_ms, (math.max(1, math.floor(rpm * (1 - PACE))) - 1) * request_ms
end

-- The narrower of two limits, 0 being none.
local function narrower(a, b)
  if a == 0 then return b end
  if b == 0 then return a end
  return math.min(a, b)
end
