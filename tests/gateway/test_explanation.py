"""What those who debug are told of the operation that a call was for."""

import pytest

from gateway.telemetry.explanation import explain_route
from tests.gateway import snapshots

EXECUTE = "POST /workspaces/{workspace}/services/{service}/execute?api-version={apiversion}&details={details}"
CATALOGUE = snapshots.catalogue(
    snapshots.api(
        1,
        "azureml",
        EXECUTE,
        "GET /files/{*path}",
        "GET /reports?format=json",
        schemes=("https",),
    ),
)
PATH = b"/azureml/workspaces/w%201/services/s/execute"


def explain(target: bytes, method: bytes = b"POST", scheme: bytes = b"https"):
    return explain_route(CATALOGUE, method, target, scheme)


def test_an_operation_is_told_with_its_parameters():
    assert explain(PATH + b"?details=true&x=1&api-version=2%2E0") == {
        "api": "azureml",
        "operation": EXECUTE,
        "parameters": {"workspace": "w 1", "service": "s", "apiversion": "2.0", "details": "true"},
    }
    assert explain(b"/azureml/files/a/b%2Fc", b"GET")["parameters"] == {"path": "a/b/c"}


@pytest.mark.parametrize(
    ("query", "missing"),
    [
        pytest.param(b"?api-version=2.0", ["details"], id="one"),
        pytest.param(b"", ["api-version", "details"], id="all"),
        pytest.param(b"?api-version=2.0&Details=true", ["details"], id="in another case"),
    ],
)
def test_required_query_parameters_that_are_missing_are_named(query, missing):
    assert explain(PATH + query)["missing"] == {EXECUTE: missing}


def test_a_literal_value_that_is_required_is_named_with_it():
    assert explain(b"/azureml/reports?format=xml", b"GET")["missing"] == {"GET /reports?format=json": ["format=json"]}


@pytest.mark.parametrize(
    ("target", "method", "message"),
    [
        pytest.param(b"/elsewhere", b"GET", "No API has a URL suffix", id="no API"),
        pytest.param(b"/azureml/nothing", b"GET", "No operation of the API", id="no operation"),
        pytest.param(b"/azureml/reports?format=json", b"DELETE", "other methods only", id="another method"),
        pytest.param(b"/azureml/../x", b"GET", "'.' or '..'", id="it climbs"),
        pytest.param(b"/azureml/%zz", b"GET", "'%'", id="malformed"),
    ],
)
def test_why_there_is_no_operation(target, method, message):
    assert message in explain(target, method)["message"]


def test_the_methods_that_would_fit_are_named():
    assert explain(b"/azureml/reports?format=json", b"DELETE")["methods"] == ["GET"]


def test_a_scheme_that_the_api_does_not_have_is_named():
    assert explain(b"/azureml/files/a", b"GET", b"http")["message"] == "The API is not to be called by http."


def test_a_tree_that_fits_in_many_ways_is_not_searched_for_ever():
    operations = [
        f"GET /{'/'.join(f'{{p{place}}}' if number >> place & 1 else 'a' for place in range(10))}/x"
        for number in range(1024)
    ]
    catalogue = snapshots.catalogue(snapshots.api(1, "many", *operations))
    told = explain_route(catalogue, b"GET", b"/many" + b"/a" * 10 + b"/y", b"http")
    assert told["message"] == "No operation of the API has a URL template that fits the path."
