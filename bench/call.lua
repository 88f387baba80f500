-- wrk's request: AzureML's request-response call, about 400 bytes of body.
local body = '{"Inputs": {"input1": {"ColumnNames": ["Col2"], "Values": [["This is a good day"]]}}, "GlobalParameters": {}, "Padding": "'
wrk.method = "POST"
wrk.path = "/azureml-demo/workspaces/77e3af2d/services/0f6a51f1/execute?api-version=2.0&details=true"
wrk.body = body .. string.rep("x", 400 - #body - 2) .. '"}'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz"
wrk.headers["Ocp-Apim-Subscription-Key"] = "0123456789abcdef0123456789abcdef"
