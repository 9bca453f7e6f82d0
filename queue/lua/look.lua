--[[ look: all that is known of one job, of one moment. Called by Inspector::job. Changes nothing; no MULTI, as in glance.
     KEYS  jobs, scheduled, running, leases, tries, priorities, outcomes, cancels, progress, extras, history of the job
     ARGV  its id
     Returns  { envelope, due, lease's end, token, tries, priority, outcome, progress, extras: each or nil, 1 if cancelling, history } ]]
local function of(n) return redis.call('HGET', KEYS[n], ARGV[1]) end
local function score(n) return redis.call('ZSCORE', KEYS[n], ARGV[1]) end
return {
    of(1), score(2), score(3), of(4), of(5), of(6), of(7), of(9), of(10),
    redis.call('HEXISTS', KEYS[8], ARGV[1]), redis.call('LRANGE', KEYS[11], 0, -1),
}
