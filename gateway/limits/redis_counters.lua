-- Counts a batch of calls in all their limits, or refuses them; atomic, by this server's own clock.
--
-- KEYS[1] is what is known of the gateway that asks (see `redis_counters.py`). ARGV[1] is
-- {epoch, number, asked} in MessagePack; each of `asked` begins with its kind and a subscription:
--   {0, who, rates, quotas}  a call: {prefix, calls, period}, and {prefix, calls, bytes, period, stand};
--                            calls or bytes are -1 where they are not limited
--   {1, who, quotas}         bytes of a call that has ended: {prefix, period, bytes}
--   {2, who, rates, quotas}  what the gateway decided alone: {prefix, period, times, times not to count},
--                            and {prefix, period, stand, calls, bytes}
--   {3, who, rates, quotas}  a look at the limits of calls, which counts nothing; asked like a call
-- A stand is when the period began, the calls and the bytes in it, as far as the gateway knows; the
-- first is -1 where it knows nothing. Periods are in seconds, all else in microseconds.
--
-- The answer is {now, answers}, in MessagePack: for a call {index of the limit that refuses it or 0,
-- when that one lets the next call pass, then for each rate its calls and the first one's time, and
-- each quota's stand}, for a look the same; for the rest {0}.

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local function integer(value)
    return string.format('%.0f', value)
end

-- The index of the first time of a sorted list that is past `time`.
local function first_past(key, count, time)
    local low, high = 0, count
    while low < high do
        local middle = math.floor((low + high) / 2)
        if tonumber(redis.call('LINDEX', key, middle)) > time then
            high = middle
        else
            low = middle + 1
        end
    end
    return low
end

local function push(key, times)
    for first = 1, #times, 1000 do
        redis.call('RPUSH', key, unpack(times, first, math.min(first + 999, #times)))
    end
end

-- The clock was set back: these calls were made by now, so that nobody waits longer than a period.
local function set_back(key, count)
    local index = first_past(key, count, now)
    local times = {}
    for place = index + 1, count do
        times[#times + 1] = integer(now)
    end
    if index == 0 then
        redis.call('DEL', key)
    else
        redis.call('LTRIM', key, 0, index - 1)
    end
    push(key, times)
end

-- How many calls count, and when the first of them was made.
local function window(key, period)
    local count = redis.call('LLEN', key)
    if count == 0 then
        return 0, now
    end
    if tonumber(redis.call('LINDEX', key, -1)) > now then
        set_back(key, count)
    end
    local first = tonumber(redis.call('LINDEX', key, 0))
    if first + period > now then
        return count, first
    end
    local gone = first_past(key, count, now - period)
    redis.call('LTRIM', key, gone, -1)
    if gone == count then
        return 0, now
    end
    return count - gone, tonumber(redis.call('LINDEX', key, 0))
end

local function has_ended(start, period)
    return period > 0 and start + period <= now
end

local function keep_stand(key, period, start, calls, bytes)
    redis.call('HSET', key, 'start', integer(start), 'calls', integer(calls), 'bytes', integer(bytes))
    if period > 0 then
        redis.call('PEXPIREAT', key, integer(math.ceil((start + period) / 1000)))
    else
        redis.call('PERSIST', key)
    end
end

-- Where a quota stands. What the gateway knows is taken into account as far as it is more, which it
-- is after a loss of data here: then the earliest period that still runs holds, and the highest counts.
local function stand(key, period, known)
    local kept = redis.call('HMGET', key, 'start', 'calls', 'bytes')
    local start, calls, bytes = tonumber(kept[1]), tonumber(kept[2]) or 0, tonumber(kept[3]) or 0
    if not start or has_ended(start, period) then
        start, calls, bytes = nil, 0, 0
    elseif start > now then
        -- The clock was set back: the period began by now, so that it does not last any longer.
        start = now
        keep_stand(key, period, start, calls, bytes)
    end
    if known and known[1] >= 0 and not has_ended(known[1], period) then
        start = math.min(start or now, known[1])
        calls, bytes = math.max(calls, known[2]), math.max(bytes, known[3])
    end
    return start or now, calls, bytes
end

local function take(who, rates, quotas)
    local answer, refuses = {0, 0}, 0
    for index, rate in ipairs(rates) do
        local period = rate[3] * 1000000
        local count, first = window(rate[1] .. who, period)
        if refuses == 0 and count >= rate[2] then
            refuses = index
            -- The limit may have been lowered below what has passed: then more than the first must leave.
            answer[2] = tonumber(redis.call('LINDEX', rate[1] .. who, count - rate[2])) + period
        end
        answer[#answer + 1] = count
        answer[#answer + 1] = first
    end
    local quotas_begin = #answer
    for index, quota in ipairs(quotas) do
        local start, calls, bytes = stand(quota[1] .. who, quota[4] * 1000000, quota[5])
        if refuses == 0 and ((quota[2] >= 0 and calls >= quota[2]) or (quota[3] >= 0 and bytes >= quota[3])) then
            refuses = #rates + index
        end
        answer[#answer + 1] = start
        answer[#answer + 1] = calls
        answer[#answer + 1] = bytes
    end
    answer[1] = refuses
    if refuses > 0 then
        return answer
    end
    for index, rate in ipairs(rates) do
        redis.call('RPUSH', rate[1] .. who, integer(now))
        redis.call('EXPIRE', rate[1] .. who, rate[3] + 1)
        answer[2 * index + 1] = answer[2 * index + 1] + 1
    end
    for index, quota in ipairs(quotas) do
        local place = quotas_begin + 3 * (index - 1)
        answer[place + 2] = answer[place + 2] + 1
        keep_stand(quota[1] .. who, quota[4] * 1000000, answer[place + 1], answer[place + 2], answer[place + 3])
    end
    return answer
end

local function look(who, rates, quotas)
    local answer = {0, 0}
    for _, rate in ipairs(rates) do
        local count, first = window(rate[1] .. who, rate[3] * 1000000)
        answer[#answer + 1] = count
        answer[#answer + 1] = first
    end
    for _, quota in ipairs(quotas) do
        local start, calls, bytes = stand(quota[1] .. who, quota[4] * 1000000, quota[5])
        answer[#answer + 1] = start
        answer[#answer + 1] = calls
        answer[#answer + 1] = bytes
    end
    return answer
end

local function add_bytes(who, quotas)
    for _, quota in ipairs(quotas) do
        local period = quota[2] * 1000000
        local start, calls, bytes = stand(quota[1] .. who, period)
        keep_stand(quota[1] .. who, period, start, calls, bytes + quota[3])
    end
end

-- Put times among those of other gateways, in their order.
local function settle_rate(key, period, times, not_to_count)
    for _, time in ipairs(not_to_count) do
        redis.call('LREM', key, -1, integer(time))
    end
    local fresh = {}
    for _, time in ipairs(times) do
        if time + period * 1000000 > now then
            fresh[#fresh + 1] = math.min(time, now)
        end
    end
    if #fresh == 0 then
        return
    end
    local count = redis.call('LLEN', key)
    local index = first_past(key, count, fresh[1])
    local later = index < count and redis.call('LRANGE', key, index, -1) or {}
    if index == 0 then
        redis.call('DEL', key)
    elseif index < count then
        redis.call('LTRIM', key, 0, index - 1)
    end
    for _, time in ipairs(later) do
        fresh[#fresh + 1] = tonumber(time)
    end
    table.sort(fresh)
    for place, time in ipairs(fresh) do
        fresh[place] = integer(time)
    end
    push(key, fresh)
    redis.call('EXPIRE', key, period + 1)
end

local function settle(who, rates, quotas)
    for _, rate in ipairs(rates) do
        settle_rate(rate[1] .. who, rate[2], rate[3], rate[4])
    end
    for _, quota in ipairs(quotas) do
        local period = quota[2] * 1000000
        if not has_ended(quota[3][1], period) then
            local start, calls, bytes = stand(quota[1] .. who, period, quota[3])
            calls, bytes = math.max(calls + quota[4], 0), math.max(bytes + quota[5], 0)
            keep_stand(quota[1] .. who, period, start, calls, bytes)
        end
    end
end

local batch = cmsgpack.unpack(ARGV[1])
local epoch, number, asked = batch[1], batch[2], batch[3]
if tonumber(redis.call('HGET', KEYS[1], 'epoch')) ~= epoch then
    return redis.error_reply('STALE the gateway has another connection, or this server has lost its data')
end
local answers, verdicts = {}, {}
for index, one in ipairs(asked) do
    local answer = {0}
    if one[1] == 0 then
        answer = take(one[2], one[3], one[4])
    elseif one[1] == 1 then
        add_bytes(one[2], one[3])
    elseif one[1] == 3 then
        answer = look(one[2], one[3], one[4])
    else
        settle(one[2], one[3], one[4])
    end
    answers[index] = answer
    verdicts[index] = answer[1] == 0 and '1' or '0'
end
redis.call('HSET', KEYS[1], 'number', integer(number), 'now' .. number % 64, integer(now),
    'verdicts' .. number % 64, table.concat(verdicts))
redis.call('EXPIRE', KEYS[1], 604800)
return cmsgpack.pack({now, answers})
