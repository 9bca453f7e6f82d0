--[[ retry: an attempt failed; the job becomes due again later. Called by Consumer::retry.
     Joined: keys, steps, lanes, freed, unique, transfer, end, attempts, held.
     ARGV[1] id   ARGV[2] token   ARGV[3] delay, ms   ARGV[4] attempt JSON for the history
     Returns  1 scheduled again | 2 cancelled, as somebody had asked | -1 missing | -2 lease held by another worker
     Retry-safe: yes, a second call finds no lease. ]]
local id, token, delay_ms, attempt = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local reply = held(id, token)
if reply ~= HELD then return reply end
unlease(id)
record(id, attempt)
call('HINCRBY', stats, 'retried', 1)
if cancel_if_asked(id) then return 2 end
count(id, ATTEMPTS)
call('HDEL', progress, id)
put_off(id, delay_ms)
return 1
