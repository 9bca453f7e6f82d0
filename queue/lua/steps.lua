--[[ steps (fragment): results of finished steps, kept with a job until its end. Needs keys.lua.
     `…:steps:<job id>` (hash: step → `<finished at, µs> <key or -> <result>`); beside it `…:stepped` (hash: job id → bytes of its results,
     encrypted where they are), by which a queue whose jobs have no steps pays for one look. ]]
local stepped = stem .. 'stepped'

local function steps_of(id)
  return stem .. 'steps:' .. id
end

local function drop_steps(ids)
  if #ids == 0 or call('EXISTS', stepped) == 0 then return end
  local gone = {}
  for _, id in ipairs(ids) do gone[#gone + 1] = steps_of(id) end
  call('HDEL', stepped, unpack(ids))
  call('UNLINK', unpack(gone))
end
