--[[ step: keep the result of a step that has finished with its running job. Called by JobContext::step. Joined: keys, steps.
     ARGV[1] id   ARGV[2] token   ARGV[3] step   ARGV[4] name of the key it is encrypted with, or '-'   ARGV[5] result
     ARGV[6] steps of one job at most   ARGV[7] bytes of all their results at most
     Returns  1 kept | -1 job missing | -2 lease held by another worker | -3 too many steps | -4 too many bytes; nothing changed
     Retry-safe: yes, a second call puts the same in its place. ]]
local id, token, step, key, result = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local steps_max, bytes_max = tonumber(ARGV[6]), tonumber(ARGV[7])
local owner = call('HGET', leases, id)
if owner ~= token then return owner and -2 or -1 end
local steps = steps_of(id)
local before = call('HGET', steps, step)
if not before and call('HLEN', steps) >= steps_max then return -3 end
local more = #result - #(string.match(before or '', '^%d+ %S+ (.*)$') or '')
if tonumber(call('HGET', stepped, id) or 0) + more > bytes_max then return -4 end
-- Two steps of one job never finish within the same microsecond: so they are shown in their order.
local at = string.format('%.0f', time[1] * 1000000 + time[2])
call('HSET', steps, step, at .. ' ' .. key .. ' ' .. result)
call('HINCRBY', stepped, id, more)
return 1
