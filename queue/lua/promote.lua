--[[ promote (fragment of claim): scheduled jobs that are due become ready, at most PROMOTE_MAX a call. Needs keys.lua. ]]
local PROMOTE_MAX = 500

local function promote()
  local due = call('ZRANGEBYSCORE', scheduled, '-inf', now, 'LIMIT', 0, PROMOTE_MAX)
  if #due == 0 then return end
  local known = call('EXISTS', priorities) == 1 and call('HMGET', priorities, unpack(due)) or {}
  local by_priority = {}
  for i, id in ipairs(due) do
    local priority = tonumber(known[i] or DEFAULT_PRIORITY)
    local list = by_priority[priority] or {}
    list[#list + 1] = id
    by_priority[priority] = list
  end
  for priority, list in pairs(by_priority) do call('RPUSH', ready[priority], unpack(list)) end
  call('ZREM', scheduled, unpack(due))
end
