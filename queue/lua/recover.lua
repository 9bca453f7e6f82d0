--[[ recover (fragment of claim): jobs whose lease ran out become suspects, or are buried as poison. Needs keys, lanes, freed,
     transfer, end, attempts. What a lease is worth after an outage is for touch.lua to say, which comes before. ]]
local RECOVER_MAX = 100

local function lost_outcome(losses)
  return cjson.encode({ state = 'dead', kind = 'poison', at = now,
    reason = 'its worker died or fell silent ' .. losses .. ' times while running it; it is not tried again' })
end

local function recover(losses_max)
  local lost = call('ZRANGEBYSCORE', running, '-inf', now, 'LIMIT', 0, RECOVER_MAX)
  -- The last one goes to the head first, so that they come out in the order they came in.
  local suspected = {}
  for i = #lost, 1, -1 do
    local id = lost[i]
    -- A token is the worker's id and the delivery's random part.
    local worker = string.match(call('HGET', leases, id) or '', '^(.*):') or ''
    call('HDEL', leases, id)
    call('ZREM', running, id)
    record(id, cjson.encode({ at = now, worker = worker, error = 'the worker died or fell silent' }))
    call('HINCRBY', stats, 'recovered', 1)
    local losses = count(id, LOSSES)
    if not cancel_if_asked(id) then
      if losses >= losses_max then
        bury(id, lost_outcome(losses))
      else
        suspected[#suspected + 1] = id
      end
    end
  end
  if #lost > 0 then freed(lost) end
  -- Whether it was this one that took its worker down is not known: it is run alone from now on, so that no other is charged for it.
  if #suspected > 0 then line_up(describe(suspected), 'LPUSH') end
end
