--[[ delete: the records of ended jobs go at once, with everything of theirs. Called by Client::delete, at most 500 jobs a call.
     Joined: keys, steps, drop.
     ARGV[1] 1: only those that are dead   ARGV[2…] ids
     Returns  per job: 1 deleted | 2 its notice is open: it stays until its on_terminal has run | 0 it has not ended, or is not dead
              | -1 missing
     Retry-safe: yes, a second call returns -1. An id given by its caller stays remembered for its time. ]]
local only_dead = ARGV[1] == '1'
local replies = {}
for i = 2, #ARGV do
  local id = ARGV[i]
  local set = call('ZSCORE', dead, id) and dead or (not only_dead and call('ZSCORE', finished, id) and finished)
  if not set then
    replies[i - 1] = call('HEXISTS', jobs, id) - 1
  elseif call('ZSCORE', notices, id) then
    replies[i - 1] = 2
  else
    replies[i - 1] = drop(set, { id }, now)
    call('HINCRBY', stats, 'deleted', 1)
  end
end
return replies
