--[[ seed: takes in what the ledger says was spent. Called by Admission::seed. Joined: common.
     ARGV[2] token of `admit`   ARGV[3] user or ''   ARGV[4..7] micro-USD: this day, this month, this day by the user, this month by the user
     ARGV[8..9] micro-USD that batches under way may cost: all, of the user
     Returns  { '1' } taken | { '0' } something was settled meanwhile: ask again
     Retry-safe: yes, a known sum stands. ]]
local token, user = ARGV[2], ARGV[3]
local period = periods()
for _, key in ipairs(books(period)) do
  if call('HGET', key, 'token') ~= token then return { '0' } end
end
local function put(key, field, micro)
  call('HSETNX', key, field, micro)
end
put(period.day.key, 'all', ARGV[4])
put(period.month.key, 'all', ARGV[5])
put(promised, 'all', ARGV[8])
if user ~= '' then
  put(period.day.key, 'user:' .. user, ARGV[6])
  put(period.month.key, 'user:' .. user, ARGV[7])
  put(promised, 'user:' .. user, ARGV[9])
end
for _, key in ipairs(books(period)) do call('HDEL', key, 'token', 'asked_at') end
return { '1' }
