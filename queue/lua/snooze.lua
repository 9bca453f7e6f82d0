--[[ snooze: give the slot back without spending an attempt; due again later. Called by Consumer::snooze.
     Joined: keys, steps, lanes, freed, unique, transfer, end, attempts, held.
     ARGV[1] id   ARGV[2] token   ARGV[3] delay, ms
     Returns  1 scheduled again | 2 cancelled, as somebody had asked | -1 missing | -2 lease held by another worker
     Retry-safe: yes, a second call finds no lease. ]]
local id, token, delay_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local reply = held(id, token)
if reply ~= HELD then return reply end
unlease(id)
if cancel_if_asked(id) then return 2 end
count(id, SNOOZES)
call('HINCRBY', stats, 'snoozed', 1)
put_off(id, delay_ms)
return 1
