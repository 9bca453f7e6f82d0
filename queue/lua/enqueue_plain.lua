--[[ enqueue_plain: the same as enqueue for what most calls are: one job of the default priority, ready at once, that has nothing that only
     some jobs have. By itself it takes half the time. Called by Client::enqueue.
     KEYS  jobs, seen, ready:5, stats, wake      ARGV[1] id   ARGV[2] envelope
     Returns  { 1 ready | 0 that id exists or is remembered; nothing changed }
     Retry-safe: yes, a second call finds the id. ]]
local call = redis.call
local until_forgotten = call('ZSCORE', KEYS[2], ARGV[1])
if until_forgotten then
  local time = call('TIME')
  if tonumber(until_forgotten) > time[1] * 1000 + math.floor(time[2] / 1000) then return { 0 } end
end
if call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then return { 0 } end
call('RPUSH', KEYS[3], ARGV[1])
call('HINCRBY', KEYS[4], 'enqueued', 1)
if call('EXISTS', KEYS[5]) == 0 then call('RPUSH', KEYS[5], '1') end
return { 1 }
