--[[ glance: the counts of one queue, of one moment. Called by Inspector::queue. Changes nothing. Joined: keys.
     Returns  { how many are scheduled, running, finished, dead, have notices, transfers, batches, jobs in all, pause JSON or nil,
                { move, count, … } }
     No MULTI: when its memory is full Redis refuses that even for reading, and then people must see. ]]
local function count(set) return call('ZCARD', set) end
return {
  count(scheduled), count(running), count(finished), count(dead), count(notices), count(stem .. 'transfers_due'), count(stem .. 'batches'),
  call('HLEN', jobs), call('HGET', meta, 'paused'), call('HGETALL', stats),
}
