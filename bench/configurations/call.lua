-- wrk's requests. The first argument is their kind:
--   rrs       AzureML's request-response call, about 400 bytes of body
--   varied    the same, but targets and lengths differ from call to call, so that no head equals the one before
--   get       1 KB is asked for
--   download  1 MB is asked for
--   upload    10 MB are sent
--   spread    every operation and subscription of bench.size is called; numbers of both follow the prefix
-- The second argument is where the calls begin in the path.
local BODY = '{"Inputs": {"input1": {"ColumnNames": ["Col2"], "Values": [["This is a good day"]]}}, "GlobalParameters": {}, "Padding": "'
local PATH = "/workspaces/77e3af2d/services/%08x/execute?api-version=2.0&details=true"
local headers = {
    ["Content-Type"] = "application/json",
    ["Authorization"] = "Bearer abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz",
    ["Ocp-Apim-Subscription-Key"] = "0123456789abcdef:0123456789abcdef",
}
local requests, number = {}, 0

local function execute(prefix, count)
    for index = 1, count do
        local body = BODY .. string.rep("x", 400 - #BODY - 2 - math.floor(count / 2) + index) .. '"}'
        requests[index] = wrk.format("POST", prefix .. PATH:format(index), headers, body)
    end
end

local kinds = {
    rrs = function(prefix) execute(prefix, 1) end,
    varied = function(prefix) execute(prefix, 61) end,
    get = function(prefix) requests[1] = wrk.format("GET", prefix .. "/data/1k", headers) end,
    download = function(prefix) requests[1] = wrk.format("GET", prefix .. "/data/1m", headers) end,
    upload = function(prefix)
        requests[1] = wrk.format("POST", prefix .. "/upload", headers, string.rep("x", 10 * 1024 * 1024))
    end,
    spread = function(prefix, operations, subscriptions)
        math.randomseed(1)
        for index = 1, 20000 do
            local operation = math.random(0, operations - 1)
            local path = ("%s/api-%d/resource-%d/7"):format(prefix, math.floor(operation / 10), operation % 10)
            headers["Ocp-Apim-Subscription-Key"] = ("key-%032d"):format(math.random(1, subscriptions))
            requests[index] = wrk.format("GET", path, headers)
        end
    end,
}

function init(arguments)
    kinds[arguments[1]](arguments[2] or "", tonumber(arguments[3]), tonumber(arguments[4]))
end

function request()
    number = number % #requests + 1
    return requests[number]
end
