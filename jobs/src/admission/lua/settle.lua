--[[ settle: a request has ended: its reservation gives way to what it really used, and what the provider said of its limits is learned.
     Called by Admission::settle. Joined: common.
     ARGV[2] hold   ARGV[3] user or ''   ARGV[4] tokens used   ARGV[5] micro-USD spent   ARGV[6] latency, ms, or -1
     ARGV[7] answered | refused | limited | lost                ARGV[8] how long the provider asks to be left alone, ms, or -1
     ARGV[9] learned, JSON: limit_requests, remaining_requests, limit_tokens, remaining_tokens, each of which may be absent
     Returns  { pause begun, ms, or 0 }
     Retry-safe: the hold is dropped once; money is counted again, until it is rebuilt from the ledger within ten minutes. ]]
local id, user, tokens, micro, latency_ms, outcome, asked_ms =
  ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7], tonumber(ARGV[8])
local learned = cjson.decode(ARGV[9])

-- The backoff without a word of the provider's: from here, doubled, to there.
local BACKOFF_MS, BACKOFF_MS_MAX = 500, 60000

local hold = drop(id)
drop_expired()

local requests_at, tokens_at, paused_until, paused_at, level, usual_ms =
  state('requests_at', 'tokens_at', 'paused_until', 'paused_at', 'level', 'latency_ms')

if hold then
  -- In the time that the estimate was reckoned in.
  local tpm = tonumber(call('HGET', model_key, 'learned_tpm') or 0)
  local told = call('HGET', model_key, 'limits')
  if told then tpm = narrower(tonumber(cjson.decode(told).tpm or 0), tpm) end
  if tpm > 0 then tokens_at = tokens_at + (tokens - hold.tokens) * 60000 / (tpm * PACE) end
  if outcome == 'answered' and hold.tokens > 0 then
    local used, share = math.min(1, tokens / hold.tokens), state('share')
    call('HSET', model_key, 'share', share == 0 and used or share + (used - share) / 10)
  end
end

-- What the provider counts is what counts.
-- Somebody else may be spending it too: never more at once than is left of it.
local function follow(limit, remaining, at_once_ms, paid_off_at)
  if not remaining then return paid_off_at end
  return math.max(paid_off_at, now + at_once_ms - remaining * 60000 / limit)
end
local limit_requests, limit_tokens = tonumber(learned.limit_requests), tonumber(learned.limit_tokens)
if limit_requests then
  local request_ms, burst_ms = pace(limit_requests)
  if state('learned_rpm') == 0 then
    -- What went before it was known counts too.
    local minute, in_minute = state('minute', 'in_minute')
    if minute == math.floor(now / 60000) then requests_at = math.max(requests_at, minute * 60000 + in_minute * request_ms) end
  end
  call('HSET', model_key, 'learned_rpm', whole(limit_requests))
  requests_at = follow(limit_requests, tonumber(learned.remaining_requests), burst_ms + request_ms, requests_at)
end
if limit_tokens then
  call('HSET', model_key, 'learned_tpm', whole(limit_tokens))
  tokens_at = follow(limit_tokens, tonumber(learned.remaining_tokens), TOKENS_BURST_MS, tokens_at)
end

local pause_ms = 0
if outcome == 'limited' then
  -- One storm is one step of the backoff: requests that were on the way when it began say nothing new.
  local is_news = not hold or hold.at >= paused_at
  if is_news then level = math.min(level + 1, 10) end
  local wait = asked_ms
  if wait < 0 then wait = math.min(BACKOFF_MS * 2 ^ (level - 1), BACKOFF_MS_MAX) end
  if is_news or asked_ms >= 0 then
    if now + wait > paused_until then
      pause_ms = wait
      paused_until = now + wait
    end
    if is_news then paused_at = now end
  end
elseif outcome == 'answered' and hold and hold.at >= paused_at then
  level = 0
end
if outcome == 'answered' and latency_ms >= 0 then
  usual_ms = usual_ms == 0 and latency_ms or usual_ms + (latency_ms - usual_ms) / 10
end
call('HSET', model_key, 'requests_at', requests_at, 'tokens_at', tokens_at, 'paused_until', paused_until, 'paused_at', paused_at, 'level', level,
  'latency_ms', usual_ms)
call('PEXPIRE', model_key, KEEP_MS)

if micro > 0 then
  for _, period in pairs(periods()) do
    local fields = user == '' and { 'all' } or { 'all', 'user:' .. user }
    for _, field in ipairs(fields) do
      if call('HEXISTS', period.key, field) == 1 then
        call('HINCRBY', period.key, field, micro)
      else
        -- Somebody may be asking the ledger at this moment, and miss this.
        call('HDEL', period.key, 'token')
      end
    end
  end
end
return { whole(pause_ms) }
