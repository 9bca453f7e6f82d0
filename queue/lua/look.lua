--[[ look: all that is known of one job, of one moment. Called by Inspector::job. Changes nothing; no MULTI, as in glance. Joined: keys, steps.
     ARGV[1] id
     Returns  { envelope, due, lease's end, token, tries, priority, outcome, progress, extras: each or nil, 1 if cancelling, history,
                { step, finished at (µs), key or -, bytes of its stored result, … } } ]]
local id = ARGV[1]
local finished_steps = {}
if call('HEXISTS', stepped, id) == 1 then
  local found = call('HGETALL', steps_of(id))
  for i = 1, #found, 2 do
    local at, key, result = string.match(found[i + 1], '^(%d+) (%S+) (.*)$')
    -- Bytes that are no record of ours are not shown.
    for _, value in ipairs(at and { found[i], at, key, #result } or {}) do finished_steps[#finished_steps + 1] = value end
  end
end
local function of(hash) return call('HGET', hash, id) end
return {
  of(jobs), call('ZSCORE', scheduled, id), call('ZSCORE', running, id), of(leases), of(tries), of(priorities), of(outcomes), of(progress),
  of(extras), call('HEXISTS', cancels, id), call('LRANGE', history .. ':' .. id, 0, -1),
  finished_steps,
}
