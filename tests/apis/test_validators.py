"""What the catalogue takes as suffix, name and value."""

import pytest
from django.core.exceptions import ValidationError

from apis.validators import (
    MEDIA_TYPE,
    validate_key_header,
    validate_method,
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


@pytest.mark.parametrize(("name", "good"), [("X-Key", True), ("Ocp-Apim-Subscription-Key", True), ("api_key", True)])
def test_key_header(name, good):
    assert verdict(validate_key_header, name) is good


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "Host", "content-length", "Connection", "ä", "(x)"])
def test_bad_key_header(name):
    assert not verdict(validate_key_header, name)


@pytest.mark.parametrize(
    ("method", "good"),
    [("GET", True), ("M-SEARCH", True), ("TRACES", True), ("TRACE", False), ("trace", False), ("CONNECT", False)],
)
def test_method(method, good):
    assert verdict(validate_method, method) is good


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
