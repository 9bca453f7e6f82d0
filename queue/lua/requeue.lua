--[[ requeue: an ended job runs again from its first attempt, without the deadline it may have had. Called by Client::requeue and
     Client::replay. Joined: keys, lanes, unique.
     ARGV[1] id   ARGV[2] delay (ms from now, 0 = at once)   ARGV[3] 1: only if it is dead
     Returns  1 ready | 2 scheduled | 0 it has not ended, or is not dead; nothing changed | -1 missing
     Retry-safe: yes, a second call returns 0. ]]
local id, delay_ms, only_dead = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local envelope = call('HGET', jobs, id)
if not envelope then return -1 end
if call('HEXISTS', outcomes, id) == 0 then return 0 end
-- Whoever replays a list of dead jobs must not repeat one that another has replayed meanwhile and that has finished.
if only_dead and not call('ZSCORE', dead, id) then return 0 end
call('ZREM', dead, id)
call('ZREM', finished, id)
call('ZREM', notices, id)
call('HDEL', outcomes, id)
-- A deadline in the past would expire it again. Between bare quotes this stands in no text of the header.
local header, payload = string.match(envelope, '^([^\n]*)(.*)$')
local lasting, deadlines = string.gsub(header, ',"expires_at":%d+', '')
if deadlines > 0 then call('HSET', jobs, id, lasting .. payload) end
-- Complete looks for a history only where there are tries.
if call('EXISTS', history .. ':' .. id) == 1 then call('HSET', tries, id, '0 0 0') end
-- Another job may have its unique key by now: then it runs without.
local extra = extra_of(id)
if extra and extra.unique and not holder_of(extra.unique.key) then take_hold(id, extra.unique) end
call('HINCRBY', stats, 'requeued', 1)
if delay_ms > 0 then
  local earliest = call('ZRANGE', scheduled, 0, 0, 'WITHSCORES')[2]
  call('ZADD', scheduled, now + delay_ms, id)
  if not earliest or now + delay_ms < tonumber(earliest) then wake_one() end
  return 2
end
-- A ghost of it that still stands in the list stays a ghost; claim finds it first.
line_up(describe({ id }), 'RPUSH')
wake_one()
return 1
