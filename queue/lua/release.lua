--[[ release: put claimed jobs back unrun, at the head of their lists. Called by Consumer::release when a worker stops.
     Joined: keys, steps, lanes, freed, unique, transfer, end, held.
     ARGV two values a job: id, token
     Returns  per job: 1 ready again | 2 cancelled, as somebody had asked | -1 missing | -2 lease held by another worker
     Retry-safe: yes, a second call finds no lease. The delivery is not counted. ]]
local replies, released = {}, {}
-- The last one goes to the head first, so that they come out in the order they came in.
for i = #ARGV - 1, 1, -2 do
  local id = ARGV[i]
  local reply = held(id, ARGV[i + 1])
  if reply == HELD then
    unlease(id)
    if cancel_if_asked(id) then
      reply = 2
    else
      released[#released + 1] = id
    end
  end
  replies[(i + 1) / 2] = reply
end
if #released > 0 then
  line_up(describe(released), 'LPUSH')
  wake_one()
end
return replies
