--[[ take_transfers: a mover takes the entries that are due, under a lease of its own. Called by Transfers::take. Joined: keys, transfer.
     ARGV[1] at most   ARGV[2] lease, ms: an entry that is not dropped by then is handed out again
     Returns  { name, entry, … }, the oldest first
     Retry-safe: what a lost reply took comes back when the lease runs out. ]]
local limit, lease_ms = tonumber(ARGV[1]), tonumber(ARGV[2])
-- A write that Redis always allows comes first: what is applied and dropped frees memory.
call('HDEL', meta, '')
local names = call('ZRANGEBYSCORE', transfers_due, '-inf', now, 'LIMIT', 0, limit)
if #names == 0 then return {} end
local entries, taken, leased = call('HMGET', transfers, unpack(names)), {}, {}
for i, name in ipairs(names) do
  taken[#taken + 1] = name
  taken[#taken + 1] = entries[i] or ''
  leased[#leased + 1] = now + lease_ms
  leased[#leased + 1] = name
end
call('ZADD', transfers_due, unpack(leased))
return taken
