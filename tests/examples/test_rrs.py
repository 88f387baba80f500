"""The request-response service over HTTP."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import requests

from tests.examples.conftest import API_KEY, SERVICE_PATH

TEXT = "This is a good day"
VECTOR = ["1", "1", "2", "2", "0", "2", "0", "1"]
TABLE = {"ColumnNames": ["Col2"], "Values": [[TEXT]]}
BODY = {"Inputs": {"input1": TABLE}, "GlobalParameters": {}}


def values_of(response):
    assert response.status_code == 200, response.text
    return response.json()["Results"]["output1"]["value"]["Values"]


def error_of(response):
    """Class, code and target of the error; its shape is checked."""
    error = response.json()["error"]
    (detail,) = error["details"]
    assert error["message"]
    assert detail["message"]
    return error["code"], detail["code"], detail.get("target")


def body_of(table):
    return {"Inputs": {"input1": table}, "GlobalParameters": {}}


def test_a_table_is_answered_with_types_if_details_are_wanted(azureml):
    table = azureml.call("POST", "/execute", json=BODY, query={"details": "true"}).json()["Results"]["output1"]
    assert table == {
        "type": "DataTable",
        "value": {
            "ColumnNames": [f"Col2_HashingFeature.{index}" for index in range(8)],
            "ColumnTypes": ["Numeric"] * 8,
            "Values": [VECTOR],
        },
    }


@pytest.mark.parametrize("query", [{}, {"details": "false"}, {"details": "False"}])
def test_without_details_the_types_are_left_out(azureml, query):
    value = azureml.call("POST", "/execute", json=BODY, query=query).json()["Results"]["output1"]["value"]
    assert sorted(value) == ["ColumnNames", "Values"]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        pytest.param([{"Col2": TEXT}], [VECTOR], id="row objects"),
        pytest.param([{"Col2": TEXT}, {"Col2": ""}], [VECTOR, ["0"] * 8], id="several row objects"),
        pytest.param({"ColumnNames": ["Col2"], "Values": [[TEXT], [None]]}, [VECTOR, ["0"] * 8], id="a missing value"),
        pytest.param({"ColumnNames": ["Col2"], "Values": []}, [], id="no rows"),
        pytest.param({"ColumnNames": ["Col2"], "Values": [[5]]}, [["0"] * 5 + ["1", "0", "0"]], id="a number"),
    ],
)
def test_rows_of_both_forms(azureml, table, expected):
    assert values_of(azureml.call("POST", "/execute", json=body_of(table))) == expected


def test_with_format_swagger_the_answer_is_row_objects(azureml):
    response = azureml.call("POST", "/execute", json=body_of([{"Col2": TEXT}]), query={"format": "swagger"})
    (row,) = response.json()["Results"]["output1"]
    assert list(row.values()) == VECTOR


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        pytest.param(b"", 400, ("BadArgument", "RequestBodyInvalid", None), id="no body"),
        pytest.param(b"{", 400, ("BadArgument", "RequestBodyInvalid", None), id="no JSON"),
        pytest.param(b"[]", 400, ("BadArgument", "RequestBodyInvalid", None), id="no object"),
        pytest.param(b'{"Inputs": NaN}', 400, ("BadArgument", "RequestBodyInvalid", None), id="NaN"),
        pytest.param(b"[" * 100_000, 400, ("BadArgument", "RequestBodyInvalid", None), id="deep nesting"),
        pytest.param(b"\xff\xfe", 400, ("BadArgument", "RequestBodyInvalid", None), id="no UTF-8"),
        pytest.param({}, 400, ("BadArgument", "MissingRequestInput", "input1"), id="no Inputs"),
        pytest.param({"Inputs": {}}, 400, ("BadArgument", "MissingRequestInput", "input1"), id="empty Inputs"),
        pytest.param({"Inputs": {"input1": None}}, 400, ("BadArgument", "MissingRequestInput", "input1"), id="null"),
        pytest.param({"Inputs": [1]}, 400, ("BadArgument", "RequestBodyInvalid", "Inputs"), id="Inputs is a list"),
        pytest.param({"Inputs": {"x": TABLE}}, 400, ("BadArgument", "InvalidInputNames", "x"), id="another input"),
        pytest.param(
            body_of({"ColumnNames": ["Col1"], "Values": [["a"]]}),
            400,
            ("BadUserArgument", "InputMismatchError", "input1"),
            id="another column",
        ),
        pytest.param(
            body_of({"ColumnNames": ["Col1", "Col2"], "Values": [["1", "a"]]}),
            400,
            ("BadUserArgument", "InputMismatchError", "input1"),
            id="wrong column count",
        ),
        pytest.param(body_of("a"), 400, ("BadUserArgument", "InputMismatchError", "input1"), id="a text as table"),
        pytest.param(
            body_of([{"Col1": "a"}]), 400, ("BadUserArgument", "InputMismatchError", "input1"), id="another key"
        ),
        pytest.param(
            body_of({"ColumnNames": ["Col2"], "Values": [["a"], ["a", "b"]]}),
            400,
            ("BadUserArgument", "InputParseError", "input1"),
            id="a row is too long",
        ),
        pytest.param(
            body_of({"ColumnNames": ["Col2"], "Values": ["a"]}),
            400,
            ("BadUserArgument", "InputParseError", "input1"),
            id="a row is no list",
        ),
        pytest.param(
            body_of({"ColumnNames": ["Col2"], "Values": [[{"a": 1}]]}),
            400,
            ("BadUserArgument", "InputParseError", "input1"),
            id="a value is an object",
        ),
        pytest.param(
            {"Inputs": {"input1": TABLE}, "GlobalParameters": {"Seed": "1"}},
            400,
            ("BadUserArgument", "UnexpectedParameter", "Seed"),
            id="a parameter that the model has not",
        ),
        pytest.param(
            body_of({"ColumnNames": ["Col2"], "Values": [["a"]] * 600_000}),
            413,
            ("MemoryQuotaViolation", "OutOfMemoryLimit", None),
            id="a body over the limit",
        ),
        pytest.param(
            body_of({"ColumnNames": ["Col2"], "Values": [[]] * 600_000}),
            400,
            ("BadUserArgument", "InputParseError", "input1"),
            id="rows without values",
        ),
    ],
)
def test_requests_that_cannot_be_scored(azureml, body, status, error):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = azureml.call("POST", "/execute", data=data)
    assert response.status_code == status
    assert error_of(response) == error


@pytest.mark.parametrize("key", ["", "wrong", API_KEY[:-1], API_KEY + " x", "\xe9"])
def test_a_wrong_key_is_refused(azureml, key):
    headers = {"Authorization": f"Bearer {key}".encode("latin-1")}
    response = requests.post(f"{azureml.url}{SERVICE_PATH}/execute?api-version=2.0", json=BODY, headers=headers)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert error_of(response) == ("Unauthorized", "ScoreRequestUnauthorized", None)


@pytest.mark.parametrize("headers", [{}, {"Authorization": API_KEY}, {"Authorization": f"Basic {API_KEY}"}])
def test_a_missing_key_is_refused(azureml, headers):
    response = requests.post(f"{azureml.url}{SERVICE_PATH}/execute?api-version=2.0", json=BODY, headers=headers)
    assert error_of(response) == ("Unauthorized", "ScoreRequestUnauthorized", None)


@pytest.mark.parametrize(
    ("version", "query", "error"),
    [
        pytest.param("1.0", {}, ("BadArgument", "BadVersionCall", "api-version"), id="another version"),
        pytest.param("", {}, ("BadArgument", "BadVersionCall", "api-version"), id="no version"),
        pytest.param("2.0", {"details": "1"}, ("BadArgument", "InvalidQueryParameter", "details"), id="details"),
        pytest.param("2.0", {"format": "xml"}, ("BadArgument", "InvalidQueryParameter", "format"), id="format"),
    ],
)
def test_query_parameters_are_checked(azureml, version, query, error):
    assert error_of(azureml.call("POST", "/execute", json=BODY, version=version, query=query)) == error


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/workspaces/none/services/none/execute", 404, "WorkspaceNotFound"),
        ("POST", SERVICE_PATH[:-32] + "f" * 32 + "/execute", 404, "WebServiceNotFound"),
        ("POST", SERVICE_PATH[:-32] + "no-guid/execute", 400, "WebServiceIdInvalid"),
        ("POST", "/elsewhere", 404, "PathNotFound"),
        ("GET", SERVICE_PATH + "/execute", 405, "MethodNotAllowed"),
        ("GET", SERVICE_PATH + "/jobs/", 400, "MissingJobId"),
        ("GET", SERVICE_PATH + "/jobs/none", 404, "JobNotFound"),
    ],
)
def test_paths_and_methods_that_are_not_there(azureml, method, path, status, code):
    headers = {"Authorization": f"Bearer {API_KEY}"}
    response = requests.request(method, f"{azureml.url}{path}?api-version=2.0", headers=headers)
    assert (response.status_code, error_of(response)[1]) == (status, code)


def test_bitsize_ngrams_and_column_come_from_the_environment(start_azureml):
    settings = {"AZUREML_HASHING_BITSIZE": "5", "AZUREML_NGRAMS": "1", "AZUREML_TEXT_COLUMN": "text"}
    with start_azureml(**settings) as service:
        (row,) = values_of(service.call("POST", "/execute", json=body_of([{"text": TEXT}])))
    assert len(row) == 32
    assert sum(map(int, row)) == 5


def test_a_chunked_body_on_a_kept_connection(azureml):
    with requests.Session() as session:
        for _ in range(2):
            response = session.post(
                f"{azureml.url}{SERVICE_PATH}/execute?api-version=2.0",
                data=iter([b'{"Inputs": {"input1": ', json.dumps(TABLE).encode(), b"}}"]),
                headers={"Authorization": f"bearer {API_KEY}"},
            )
            assert values_of(response) == [VECTOR]


def test_many_calls_at_once(azureml):
    with ThreadPoolExecutor(16) as pool:
        answers = pool.map(
            lambda number: azureml.call("POST", "/execute", json=body_of([{"Col2": f"{number}"}])), range(64)
        )
        for number, response in enumerate(answers):
            (row,) = values_of(response)
            assert row.index("1") == number % 8


def test_a_caller_who_breaks_off_does_no_harm(azureml):
    address = urlsplit(azureml.url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(f"POST {SERVICE_PATH}/execute HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{{".encode())
    assert values_of(azureml.call("POST", "/execute", json=BODY)) == [VECTOR]
