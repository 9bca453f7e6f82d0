--[[ retry: an attempt failed; the job becomes due again later. Called by Consumer::retry. Joined: keys, end, held.
     ARGV[1] id   ARGV[2] token   ARGV[3] delay, ms   ARGV[4] attempt JSON for the history
     Returns  1 scheduled again | 2 cancelled, as somebody had asked | -1 missing | -2 lease held by another worker
     Retry-safe: yes, a second call finds no lease. ]]
local id, token, delay_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local reply = held(id, token)
if reply ~= HELD then return reply end
unlease(id)
call('RPUSH', history .. ':' .. id, ARGV[4])
call('LTRIM', history .. ':' .. id, -20, -1)
call('HINCRBY', stats, 'retried', 1)
if cancel_if_asked(id) then return 2 end
local attempts, losses, snoozes = string.match(call('HGET', tries, id) or '0 0 0', '(%d+) (%d+) (%d+)')
call('HSET', tries, id, (attempts + 1) .. ' ' .. losses .. ' ' .. snoozes)
call('HDEL', progress, id)
call('ZADD', scheduled, now + delay_ms, id)
wake_one()
return 1
