--[[ log: add a line to a running job's log and tell whoever follows it. Called by JobContext::log. Joined: keys.
     ARGV[1] id   ARGV[2] line JSON
     Returns  the line's number, from 1 | -1 it does not run (any more), and nothing is kept
     Retry-safe: no; a line may stand there twice. ]]
local LINES_MAX = 200
local id, line = ARGV[1], ARGV[2]
if call('HEXISTS', leases, id) == 0 then return -1 end
local lines = stem .. 'log:' .. id
-- How many there ever were: a follower sees by it what it has missed, and the job's end what there is to drop.
local number = call('HINCRBY', stem .. 'logged', id, 1)
call('RPUSH', lines, number .. ' ' .. line)
call('LTRIM', lines, -LINES_MAX, -1)
call('PUBLISH', stem .. 'live', id .. '\nlog ' .. number .. ' ' .. line)
return number
