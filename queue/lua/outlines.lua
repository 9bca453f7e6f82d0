--[[ outlines: what ended jobs were and how they ended, without their payloads. Called by Inspector, at most 100 jobs a call. Joined: keys.
     ARGV ids
     Returns  per job three values: outcome JSON or '', header of the envelope (its first 8 kB) or '', bytes of the whole envelope
     Retry-safe: yes, it changes nothing. ]]
-- Bytes that are no envelope of ours may have no end of line.
local HEADER_BYTES_MAX = 8192

local outlines = {}
for _, id in ipairs(ARGV) do
  local envelope = call('HGET', jobs, id) or ''
  outlines[#outlines + 1] = call('HGET', outcomes, id) or ''
  outlines[#outlines + 1] = string.match(string.sub(envelope, 1, HEADER_BYTES_MAX), '^[^\n]*')
  outlines[#outlines + 1] = #envelope
end
return outlines
