--[[ snooze: give the slot back without spending an attempt; due again later. Called by Consumer::snooze. Joined: keys, end, held.
     ARGV[1] id   ARGV[2] token   ARGV[3] delay, ms
     Returns  1 scheduled again | 2 cancelled, as somebody had asked | -1 missing | -2 lease held by another worker
     Retry-safe: yes, a second call finds no lease. ]]
local id, token, delay_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local reply = held(id, token)
if reply ~= HELD then return reply end
unlease(id)
if cancel_if_asked(id) then return 2 end
local attempts, losses, snoozes = string.match(call('HGET', tries, id) or '0 0 0', '(%d+) (%d+) (%d+)')
call('HSET', tries, id, attempts .. ' ' .. losses .. ' ' .. (snoozes + 1))
call('HINCRBY', stats, 'snoozed', 1)
call('ZADD', scheduled, now + delay_ms, id)
wake_one()
return 1
