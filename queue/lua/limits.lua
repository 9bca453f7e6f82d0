--[[ limits (fragment of claim): how many jobs of a queue or of a key run at once, and how many units of them begin in a time. Needs keys.
     `limits` holds what set_limits.lua wrote. `busy` counts the running jobs of a key. `buckets` are token buckets, each the moment at which
     it is full again (generic cell rate algorithm, ITU-T I.371): the queue's own has an empty name. A full bucket is not kept. ]]
local buckets, busy = stem .. 'buckets', stem .. 'busy'
local UNLIMITED = math.huge

local function limits_of()
  local limits = {}
  local fields = call('HGETALL', stem .. 'limits')
  for i = 1, #fields, 2 do limits[fields[i]] = tonumber(fields[i + 1]) end
  if limits.rate or limits.key_rate then call('ZREMRANGEBYSCORE', buckets, '-inf', now) end
  return limits
end

local function weight_of(limits, key)
  return limits['weight:' .. key] or 1
end

local function room_of_queue(limits)
  return limits.concurrency and limits.concurrency - call('ZCARD', running) or UNLIMITED
end

local function room_of_key(limits, key)
  local max = limits['concurrency:' .. key] or limits.key_concurrency
  return max and max - (call('HGET', busy, key) or 0) or UNLIMITED
end

-- When the bucket has so many units. What costs more than the whole bucket waits until it is full, and the bucket then owes the rest.
local function has_units_at(bucket, units, rate, per_ms, burst)
  local full_at = call('ZSCORE', buckets, bucket)
  return full_at and full_at - math.max(burst - units, 0) * per_ms / rate or 0
end

local function queue_has_units_at(limits, units)
  return limits.rate and has_units_at('', units, limits.rate, limits.per_ms, limits.burst) or 0
end

local function key_has_units_at(limits, key, units)
  return limits.key_rate and has_units_at(key, units, limits.key_rate, limits.key_per_ms, limits.key_burst) or 0
end

local function take_units(bucket, units, rate, per_ms)
  call('ZADD', buckets, math.max(call('ZSCORE', buckets, bucket) or now, now) + units * per_ms / rate, bucket)
end

-- A job begins.
local function spend(limits, key, units)
  if (key or '') ~= '' then call('HINCRBY', busy, key, 1) end
  if limits.rate then take_units('', units, limits.rate, limits.per_ms) end
  if limits.key_rate and (key or '') ~= '' then take_units(key, units, limits.key_rate, limits.key_per_ms) end
end
