--[[ keys: names the fixed keys of one queue. Joined in before every move; all keys carry the tag {queue}, so they live in one cluster slot.
     The order is that of QueueKeys::all in src/keys.rs, the type and meaning of each key stand there. ]]
local jobs, scheduled, running, leases, tries, priorities = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local finished, dead, outcomes, notices, ghosts, cancels = KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12]
local progress, waited, seen, meta, stats, wake = KEYS[13], KEYS[14], KEYS[15], KEYS[16], KEYS[17], KEYS[18]
local history, cancel_channel, ended_channel, extras = KEYS[19], KEYS[20], KEYS[21], KEYS[22]
local ready = { [0] = KEYS[23], KEYS[24], KEYS[25], KEYS[26], KEYS[27], KEYS[28], KEYS[29], KEYS[30], KEYS[31], KEYS[32] }
local DEFAULT_PRIORITY = 5
-- Keys that few queues have are named from this, where they are used, so that the others do not pay for carrying them.
local stem = string.sub(jobs, 1, -5)

local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- One token is enough: who takes it and leaves work behind passes it on.
local function wake_one()
  if call('EXISTS', wake) == 0 then call('RPUSH', wake, '1') end
end
