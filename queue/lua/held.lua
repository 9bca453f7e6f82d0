--[[ held (fragment): the lease check of every settling move. Needs keys, lanes, freed.
     A worker that lost its lease finds another token, or none, and changes nothing. ]]
local HELD, MISSING, LOST = 1, -1, -2
local function held(id, token)
  local owner = call('HGET', leases, id)
  if owner == token then return HELD end
  return owner and LOST or MISSING
end

local function unlease(id)
  call('HDEL', leases, id)
  call('ZREM', running, id)
  freed({ id })
end
