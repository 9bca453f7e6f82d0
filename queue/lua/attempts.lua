--[[ attempts (fragment): what is kept of deliveries that did not end a job. Needs keys.lua. ]]
local HISTORY_MAX = 20
local ATTEMPTS, LOSSES, SNOOZES = 1, 2, 3

-- Adds a failed attempt (JSON) to the job's history.
local function record(id, attempt)
  call('RPUSH', history .. ':' .. id, attempt)
  call('LTRIM', history .. ':' .. id, -HISTORY_MAX, -1)
end

-- Counts one more of its attempts, losses or snoozes, and returns the new count.
local function count(id, which)
  local counts = { string.match(call('HGET', tries, id) or '0 0 0', '(%d+) (%d+) (%d+)') }
  counts[which] = counts[which] + 1
  call('HSET', tries, id, table.concat(counts, ' '))
  return counts[which]
end

-- Makes it due again later. A worker waits for the earliest due moment by its own timer, so it must hear when that moves forward.
local function put_off(id, delay_ms)
  call('ZADD', scheduled, now + delay_ms, id)
  if call('ZRANGE', scheduled, 0, 0)[1] == id then wake_one() end
end
