--[[ unique (fragment): one job a unique key. Needs keys.lua.
     `uniques` says which job has a key; the key is let go of at the first claim, at the end, or when its period is over, as the job's
     scope says: queued, running, period. ]]
local uniques, unique_until = stem .. 'uniques', stem .. 'unique_until'

-- The job that has the key, if any.
local function holder_of(key)
  local holder = call('HGET', uniques, key)
  local over_at = holder and call('ZSCORE', unique_until, key)
  if over_at and tonumber(over_at) <= now then return false end
  return holder
end

local function take_hold(id, unique)
  call('HSET', uniques, unique.key, id)
  if unique.scope == 'period' then
    call('ZADD', unique_until, now + unique.period_ms, unique.key)
  else
    call('ZREM', unique_until, unique.key)
  end
end

-- At its claim a job lets go of what it had while it was queued, at its end also of what it had while it ran.
local function let_go(id, unique, at_end)
  if unique.scope == 'period' or (unique.scope == 'running' and not at_end) then return end
  if call('HGET', uniques, unique.key) == id then call('HDEL', uniques, unique.key) end
end
