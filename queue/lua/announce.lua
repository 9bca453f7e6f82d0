--[[ announce: write a worker's card. Called by Workers::announce.
     KEYS[1] the card   ARGV[1] card JSON   ARGV[2] its time to live, ms
     Returns  OK
     Retry-safe: yes. Begins with a write that Redis always allows, so that workers can be seen, and say what is wrong, when its memory is
     full. ]]
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
