"""What a backend's address and the names in what is sent to it may look like."""

import pytest
from django.core.exceptions import ValidationError

from backends.validators import QUERY_NAME, TOKEN, validate_service_url


def verdict(validate, value) -> bool:
    try:
        validate(value)
    except ValidationError as error:
        return not all(error.messages)  # A refusal without words would not be one.
    return True


@pytest.mark.parametrize(
    "url",
    [
        "https://ussouthcentral.services.azureml.net",
        "http://127.0.0.1:9000/base",
        "http://localhost:8090/",
        "http://[::1]:9000",
        "http://backend_1:80",
        "https://xn--bcher-kva.example/a%20b",
        "HTTPS://EXAMPLE.ORG",
        "http://example.org./v1",
        "ws://example.org/socket",
        "wss://example.org",
    ],
)
def test_service_url(url):
    assert verdict(validate_service_url, url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "//example.org",
        "/v2",
        "ftp://example.org",
        "wsx://example.org",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://",
        "http:///path",
        "http://user:password@example.org",
        "http://user@example.org",
        "http://example.org?a=b",
        "http://example.org?",
        "http://example.org#f",
        "http://example.org#",
        "http://example.org:0",
        "http://example.org:65536",
        "http://example.org:port",
        "http://example.org:",
        "http://exa mple.org",
        "http://example.org\nHost: x",
        "http://example.org\t",
        " http://example.org",
        "http://bücher.example",
        "http://a..b",
        "http://-a",
        "http://a\\b",
        "http://[::1",
        "http://[127.0.0.1]",
        "http://[v1.x]",
        "http://{endpoint}/v1",
        "http://example.org/../x",
        "http://example.org/a/.",
        "http://example.org/%zz",
        "http://example.org/a<b",
        "http://" + "a" * 300,
    ],
)
def test_bad_service_url(url):
    assert not verdict(validate_service_url, url)


@pytest.mark.parametrize(
    ("token", "good"), [("GET", True), ("M-SEARCH", True), ("get", True), ("", False), ("GET ", False), ("G\nT", False)]
)
def test_token(token, good):
    assert verdict(TOKEN, token) is good


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("subscription-key", True),
        ("k", True),
        ("api_key.v1~", True),
        *((name, False) for name in ("", "a&b", "a=b", "a b", "a%20b", "a+b", "a#b", "ä", "a\n")),
    ],
)
def test_name_of_a_query_parameter(name, good):
    assert verdict(QUERY_NAME, name) is good
