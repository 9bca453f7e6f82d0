--[[ limits (fragment of claim): how many jobs of a queue or of a key run at once, and how many units of them begin in a time. Needs keys.
     `limits` holds what set_limits.lua wrote, `busy` counts the running jobs of a key. `buckets` are token buckets, each the moment when
     it is full again (generic cell rate algorithm, ITU-T I.371): the queue's own has an empty name, as the key of a job without one. ]]
local buckets, busy = stem .. 'buckets', stem .. 'busy'
local UNLIMITED = math.huge
-- Full buckets that one claim throws away, at most; one that is kept lets everything pass.
local FULL_MAX = 500
local OF_QUEUE = { 'concurrency', 'rate', 'per_ms', 'burst', 'key_concurrency', 'key_rate', 'key_per_ms', 'key_burst' }

local function limits_of()
  local limits = { of_key = {} }
  if call('EXISTS', stem .. 'limits') == 0 then return limits end
  local found = 0
  for i, number in ipairs(call('HMGET', stem .. 'limits', unpack(OF_QUEUE))) do
    limits[OF_QUEUE[i]] = tonumber(number)
    if number then found = found + 1 end
  end
  limits.keys_differ = call('HLEN', stem .. 'limits') > found
  if limits.rate or limits.key_rate then
    local full = call('ZRANGEBYSCORE', buckets, '-inf', now, 'LIMIT', 0, FULL_MAX)
    if #full > 0 then call('ZREM', buckets, unpack(full)) end
  end
  return limits
end

-- What differs for one key; there may be a thousand such, so each is looked up when its turn comes.
local function limits_of_key(limits, key)
  local of_key = limits.of_key[key]
  if not of_key then
    local weight, concurrency
    if limits.keys_differ then
      weight, concurrency = unpack(call('HMGET', stem .. 'limits', 'weight:' .. key, 'concurrency:' .. key))
    end
    of_key = { weight = tonumber(weight or 1), concurrency = tonumber(concurrency or limits.key_concurrency) }
    limits.of_key[key] = of_key
  end
  return of_key
end

local function weight_of(limits, key)
  return limits_of_key(limits, key).weight
end

local function room_of_queue(limits)
  return limits.concurrency and limits.concurrency - call('ZCARD', running) or UNLIMITED
end

local function room_of_key(limits, key)
  local max = key ~= '' and limits_of_key(limits, key).concurrency
  return max and max - (call('HGET', busy, key) or 0) or UNLIMITED
end

-- When the bucket has so many units. What costs more than the whole bucket waits until it is full, and the bucket then owes the rest.
local function has_units_at(bucket, units, rate, per_ms, burst)
  local full_at = call('ZSCORE', buckets, bucket)
  return full_at and math.ceil(full_at - math.max(burst - units, 0) * per_ms / rate) or 0
end

local function queue_has_units_at(limits, units)
  return limits.rate and has_units_at('', units, limits.rate, limits.per_ms, limits.burst) or 0
end

local function key_has_units_at(limits, key, units)
  return key ~= '' and limits.key_rate and has_units_at(key, units, limits.key_rate, limits.key_per_ms, limits.key_burst) or 0
end

local function take_units(bucket, units, rate, per_ms)
  call('ZADD', buckets, math.max(call('ZSCORE', buckets, bucket) or now, now) + units * per_ms / rate, bucket)
end

-- A job begins.
local function spend(limits, key, units)
  if limits.rate then take_units('', units, limits.rate, limits.per_ms) end
  if key == '' then return end
  call('HINCRBY', busy, key, 1)
  if limits.key_rate then take_units(key, units, limits.key_rate, limits.key_per_ms) end
end
