--[[ view: how a model's limits stand. Called by Admission::view. Joined: common.
     Returns  { field, value, … } of the model's state, and now, in_flight, waiting, next_due, reserved_micro_usd
     Retry-safe: yes, it writes nothing. ]]
local fields = call('HGETALL', model_key)
local function add(name, value)
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
add('now', whole(now))
add('in_flight', whole(call('ZCOUNT', flight, '(' .. now, '+inf')))
add('waiting', whole(call('ZCARD', tickets)))
add('reserved_micro_usd', call('HGET', reserved, 'all') or '0')
return fields
