--[[ promise: keeps money back for questions that are about to go into a batch, as far as there is any. Called by Admission::promise.
     Joined: common.
     ARGV[2] token, should the ledger have to be asked   ARGV[3] limits, as for admit
     ARGV[4..] of each question: user or '', micro-USD, estimated
     Returns  { 'promised', '1' or '0' of each question }   '0': a budget cannot pay for it now
            | { 'unknown', … } | { 'asked' }                as for admit
     Retry-safe: what was promised in vain is let go of with the next `forget`, in ten minutes at the latest. ]]
local id, limits = ARGV[2], cjson.decode(ARGV[3])
drop_expired()

local period, questions = periods(), {}
for i = 4, #ARGV, 2 do
  local question = { user = ARGV[i], micro = tonumber(ARGV[i + 1]), budgets = budgets(period, ARGV[i], limits) }
  for _, budget in ipairs(question.budgets) do
    if not standing(budget) then return ask_the_ledger(period, id, question.user) end
  end
  questions[#questions + 1] = question
end

local function can_pay(question)
  for _, budget in ipairs(question.budgets) do
    local spent, in_batches, held = standing(budget)
    if spent + in_batches + held + question.micro > budget.most then return false end
  end
  return true
end

local reply = { 'promised' }
for _, question in ipairs(questions) do
  local pays = can_pay(question)
  if pays then
    for _, field in ipairs({ 'all', 'user:' .. question.user }) do
      -- A sum that nobody has asked for is not begun here: it would be taken for the whole.
      if call('HEXISTS', promised, field) == 1 then call('HINCRBY', promised, field, question.micro) end
    end
  end
  reply[#reply + 1] = pays and '1' or '0'
end
return reply
