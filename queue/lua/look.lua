--[[ look: all that is known of one job, of one moment. Called by Inspector::job. Changes nothing; no MULTI, as in glance. Joined: keys.
     ARGV[1] id
     Returns  { envelope, due, lease's end, token, tries, priority, outcome, progress, extras: each or nil, 1 if cancelling, history } ]]
local id = ARGV[1]
local function of(hash) return call('HGET', hash, id) end
return {
  of(jobs), call('ZSCORE', scheduled, id), call('ZSCORE', running, id), of(leases), of(tries), of(priorities), of(outcomes), of(progress),
  of(extras), call('HEXISTS', cancels, id), call('LRANGE', history .. ':' .. id, 0, -1),
}
