"""What the catalogue takes as suffix, address, name and value."""

import pytest
from django.core.exceptions import ValidationError

from apis.validators import (
    MEDIA_TYPE,
    QUERY_NAME,
    TOKEN,
    validate_key_header,
    validate_method,
    validate_service_url,
    validate_suffix,
    validate_values,
)


def verdict(validate, value) -> bool:
    try:
        validate(value)
    except ValidationError as error:
        return not all(error.messages)  # A refusal without words would not be one.
    return True


@pytest.mark.parametrize("suffix", ["", "azureml-demo", "a/b", "v1.0", "a~b_c", "...", ".well-known", "A"])
def test_suffix(suffix):
    assert verdict(validate_suffix, suffix)


@pytest.mark.parametrize(
    "suffix",
    [
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/../b",
        "a/./b",
        "a b",
        "a%2Fb",
        "a?b",
        "a#b",
        "a\n",
        "ä",
        "a\\b",
        "a;b",
        "{a}",
        "status-0123456789abcdef",
        "STATUS-0123456789ABCDEF",
    ],
)
def test_bad_suffix(suffix):
    assert not verdict(validate_suffix, suffix)


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


@pytest.mark.parametrize(("name", "good"), [("X-Key", True), ("Ocp-Apim-Subscription-Key", True), ("api_key", True)])
def test_key_header(name, good):
    assert verdict(validate_key_header, name) is good


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "Host", "content-length", "Connection", "ä", "(x)"])
def test_bad_key_header(name):
    assert not verdict(validate_key_header, name)


@pytest.mark.parametrize(
    ("token", "good"), [("GET", True), ("M-SEARCH", True), ("get", True), ("", False), ("GET ", False), ("G\nT", False)]
)
def test_token(token, good):
    assert verdict(TOKEN, token) is good


@pytest.mark.parametrize(
    ("method", "good"),
    [("GET", True), ("M-SEARCH", True), ("TRACES", True), ("TRACE", False), ("trace", False), ("CONNECT", False)],
)
def test_method(method, good):
    assert verdict(validate_method, method) is good


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


@pytest.mark.parametrize(
    ("content_type", "good"),
    [
        ("application/json", True),
        ("text/csv; charset=utf-8", True),
        ("application/vnd.api+json", True),
        ("json", False),
        ("a/b/c", False),
        ("text/html\r\nX: y", False),
        ("/", False),
        ("text/ plain", False),
    ],
)
def test_media_type(content_type, good):
    assert verdict(MEDIA_TYPE, content_type) is good


@pytest.mark.parametrize(
    ("values", "good"),
    [
        ([], True),
        (["true", "false"], True),
        ("true", False),
        ({"a": 1}, False),
        ([1], False),
        (["a", "a"], False),
        (["x" * 2001], False),
        ([str(n) for n in range(501)], False),
    ],
    ids=lambda value: str(value)[:20],
)
def test_values(values, good):
    assert verdict(validate_values, values) is good
