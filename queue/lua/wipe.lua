--[[ wipe: for tests, drop everything of a queue. Called by testing::wipe. Joined: keys.
     Returns  how many keys went
     Retry-safe: yes. ]]
local names = call('KEYS', stem .. '*')
for _, name in ipairs(names) do call('UNLINK', name) end
return #names
