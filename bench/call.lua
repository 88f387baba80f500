-- wrk's request: AzureML's request-response call, about 400 bytes of body. With `-- vary` targets
-- and lengths differ from call to call, so that no head equals the one before.
local HEAD = '{"Inputs": {"input1": {"ColumnNames": ["Col2"], "Values": [["This is a good day"]]}}, "GlobalParameters": {}, "Padding": "'
local PATH = "/azureml-demo/workspaces/77e3af2d/services/%08x/execute?api-version=2.0&details=true"
local headers = {
    ["Content-Type"] = "application/json",
    ["Authorization"] = "Bearer abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz",
    ["Ocp-Apim-Subscription-Key"] = "0123456789abcdef0123456789abcdef",
}
local requests, number = {}, 0

function init(arguments)
    local count = arguments[1] == "vary" and 61 or 1
    for index = 1, count do
        local body = HEAD .. string.rep("x", 400 - #HEAD - 2 - math.floor(count / 2) + index) .. '"}'
        requests[index] = wrk.format("POST", PATH:format(index), headers, body)
    end
end

function request()
    number = number % #requests + 1
    return requests[number]
end
