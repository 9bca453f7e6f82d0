--[[ cancel: end a waiting job, ask for the end of a running one, or (with its token) end it. Called by Client::cancel and Consumer::cancel.
     Joined: keys, steps, lanes, freed, unique, transfer, end, held.
     ARGV[1] id   ARGV[2] token, '' from outside the worker   ARGV[3] outcome JSON
     Returns  1 cancelled, with a notice | 2 running: its worker was asked | 0 it had ended before | -1 missing
              | -2 lease held by another worker
     Retry-safe: yes. Of several who ask, the first is on record. ]]
local id, token, outcome = ARGV[1], ARGV[2], ARGV[3]
if token ~= '' then
  local reply = held(id, token)
  if reply ~= HELD then return reply end
  unlease(id)
  if not cancel_if_asked(id) then cancel(id, outcome) end
  return 1
end
if call('HEXISTS', leases, id) == 1 then
  -- A write that Redis always allows comes first: to cancel is to free memory.
  call('HDEL', meta, '')
  call('HSETNX', cancels, id, outcome)
  call('PUBLISH', cancel_channel, id)
  return 2
end
if call('HEXISTS', outcomes, id) == 1 then return 0 end
if call('HEXISTS', jobs, id) == 0 then return -1 end
if call('ZREM', scheduled, id) == 0 then
  local place = describe({ id })[1]
  if place.suspect then
    call('LREM', suspects, 1, id)
  -- It waits in a lane: leave a ghost for claim to step over rather than search a long list.
  elseif call('SADD', ghosts, place.lane .. ' ' .. id) == 0 then
    -- An earlier life's ghost still stands there, and one is all that claim can tell apart: this life, behind it, leaves the list.
    call('LREM', list_of(place.lane), -1, id)
  end
end
cancel(id, outcome)
return 1
