-- What the gateway does for each call, in nginx: key by HMAC, rate in a sliding window (weighted
-- between two fixed ones), quota. The access log stands for the journal.
local floor, now, header = math.floor, ngx.now, ngx.header
local keys, counts = ngx.shared.keys, ngx.shared.counts
local SECRET, RATE, PERIOD, QUOTA = "0123456789abcdef0123456789abcdef", 1000000, 20, 1000000000000

local function refuse(status, message)
    ngx.status = status
    header.content_type = "application/json"
    ngx.print('{ "statusCode": ', status, ', "message": "', message, '" }')
    return ngx.exit(status)
end

local M = {}

function M.open(key)
    keys:set(ngx.hmac_sha1(SECRET, key), "subscription")
end

function M.check()
    local key = ngx.var.http_ocp_apim_subscription_key
    if not key then
        return refuse(401, "Access denied due to missing subscription key.")
    end
    local subscription = keys:get(ngx.hmac_sha1(SECRET, key))
    if not subscription then
        return refuse(401, "Access denied due to invalid subscription key.")
    end
    local time = now()
    local window = floor(time / PERIOD)
    local calls = counts:incr(subscription .. ":" .. window, 1, 0, 2 * PERIOD)
    local before = counts:get(subscription .. ":" .. (window - 1)) or 0
    if calls + before * (1 - time / PERIOD + window) > RATE then
        return refuse(429, "Rate limit is exceeded.")
    end
    if counts:incr(subscription .. ":quota", 1, 0) > QUOTA then
        return refuse(403, "Out of call volume quota.")
    end
end

return M
