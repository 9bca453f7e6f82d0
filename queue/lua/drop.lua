--[[ drop (fragment of complete and prune): records of ended jobs make room. Needs keys, steps. ]]

-- How much longer a record is kept because its notice is open.
local NOTICE_KEEP_MS = 3600000

local function drop_logs(ids)
  if call('EXISTS', stem .. 'logged') == 0 then return end
  local logs = {}
  for _, id in ipairs(ids) do logs[#logs + 1] = stem .. 'log:' .. id end
  call('HDEL', stem .. 'logged', unpack(ids))
  call('UNLINK', unpack(logs))
end

-- Drops these jobs (at most 500) of the set finished or dead, and returns how many. Whose notice is open stays, and goes to the back of the
-- set with another score, so that a row of such jobs does not keep all others from going.
local function drop(set, ids, score)
  local noticed = call('EXISTS', notices) == 1
  local staying, going, histories = {}, {}, {}
  for _, id in ipairs(ids) do
    if noticed and call('ZSCORE', notices, id) then
      staying[#staying + 1] = score
      staying[#staying + 1] = id
    else
      going[#going + 1] = id
      histories[#histories + 1] = history .. ':' .. id
    end
  end
  if #staying > 0 then call('ZADD', set, unpack(staying)) end
  if #going > 0 then
    call('ZREM', set, unpack(going))
    call('HDEL', jobs, unpack(going))
    call('HDEL', outcomes, unpack(going))
    call('HDEL', priorities, unpack(going))
    call('HDEL', extras, unpack(going))
    call('UNLINK', unpack(histories))
    drop_logs(going)
    drop_steps(going)
  end
  return #going
end

-- The oldest beyond so many, at most limit.
local function beyond(set, max, limit)
  local extra = call('ZCARD', set) - max
  if extra <= 0 then return {} end
  return call('ZRANGE', set, 0, math.min(extra, limit) - 1)
end

local function drop_finished(ids)
  return drop(finished, ids, now + NOTICE_KEEP_MS)
end
