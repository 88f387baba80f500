"""Origins whose pages may call an API."""

import pytest
from django.core.exceptions import ValidationError

from apis.origins import origin_of, parse_origins


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", ()),
        ("*", ("*",)),
        ("https://app.example.org", ("https://app.example.org",)),
        ("HTTPS://App.Example.org:443/", ("https://app.example.org",)),
        ("http://a:80\nhttp://a", ("http://a",)),
        ("http://a:443\nhttps://a:80", ("http://a:443", "https://a:80")),
        ("http://[2001:DB8:0::1]:8080", ("http://[2001:db8::1]:8080",)),
        (" https://a \r\n\r\n*", ("https://a", "*")),
    ],
)
def test_origins_are_written_as_browsers_do(text, origins):
    assert parse_origins(text) == origins
    assert parse_origins("\n".join(origins)) == origins


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "app.example.org",
        "https://*.example.org",
        "https://a/path",
        "https://a//",
        "https://a?x",
        "https://a#x",
        "https://user@a",
        "https://a:0",
        "https://a b",
        "https://bücher.example",
        "wss://a",
        "file:///a",
        "https://a, https://b",
        "\n".join(f"https://a{n}" for n in range(101)),
    ],
    ids=lambda text: text[:30],
)
def test_bad_origins(text):
    with pytest.raises(ValidationError):
        parse_origins("https://good.example.org\n" + text)


@pytest.mark.parametrize(
    ("url", "origin"),
    [("http://127.0.0.1:8000", "http://127.0.0.1:8000"), ("https://P.example.org:443/a/b", "https://p.example.org")],
)
def test_origin_of_a_url(url, origin):
    assert origin_of(url) == origin
