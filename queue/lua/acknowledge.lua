--[[ acknowledge: a job's on_terminal has run, its notice goes. Called by Consumer::acknowledge. Joined: keys.
     ARGV[1] id   ARGV[2] visible at, ms: what the claim that handed the notice out set
     Returns  1 gone | 0 that notice is not open (any more); another one of the same job stays, as nobody has told it yet
     Retry-safe: yes. ]]
local id, visible_at = ARGV[1], tonumber(ARGV[2])
if tonumber(call('ZSCORE', notices, id) or -1) ~= visible_at then return 0 end
call('ZREM', notices, id)
return 1
