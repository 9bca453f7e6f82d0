--[[ promote (fragment of claim): scheduled jobs that are due become ready, at most PROMOTE_MAX a call. Needs keys, lanes. ]]
local PROMOTE_MAX = 500

local function promote()
  local due = call('ZRANGEBYSCORE', scheduled, '-inf', now, 'LIMIT', 0, PROMOTE_MAX)
  if #due == 0 then return end
  line_up(describe(due), 'RPUSH')
  call('ZREM', scheduled, unpack(due))
end
