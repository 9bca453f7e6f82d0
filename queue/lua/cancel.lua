--[[ cancel: end a waiting job, ask for the end of a running one, or (with its token) end it. Called by Client::cancel and Consumer::cancel.
     Joined: keys, end, held.
     ARGV[1] id   ARGV[2] token, '' from outside the worker   ARGV[3] outcome JSON   ARGV[4] keep the record for, ms
     Returns  1 cancelled, with a notice | 2 running: its worker was asked | 0 it had ended before | -1 missing | -2 lease held by another worker
     Retry-safe: yes. ]]
local id, token = ARGV[1], ARGV[2]
local owner = call('HGET', leases, id)
if token ~= '' then
  local reply = held(id, token)
  if reply ~= HELD then return reply end
  unlease(id)
elseif owner then
  call('SADD', cancels, id)
  call('PUBLISH', cancel_channel, id)
  return 2
elseif call('HEXISTS', outcomes, id) == 1 then
  return 0
elseif call('HEXISTS', jobs, id) == 0 then
  return -1
elseif call('ZREM', scheduled, id) == 0 then
  -- It waits somewhere in a ready list: leave a ghost for claim to step over rather than search a long list.
  call('SADD', ghosts, id)
end
call('HINCRBY', stats, 'cancelled', 1)
finish(id, ARGV[3], tonumber(ARGV[4]))
notify(id)
return 1
