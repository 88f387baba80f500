"""What of the form arrives at the gateway, byte for byte."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.portal.console.conftest import EXAMPLE, answer, key_of


def test_first_send_takes_the_examples_and_the_key_of_the_subscription(send, execute, gateway, alice, alices):
    response = send(execute, {"subscription": str(alices.pk)}, by=alice)
    assert response.status_code == 200
    assert gateway.request_line == "POST /echo/services/s1/x?v=2.0&trace=on HTTP/1.1"
    assert gateway.lines == [
        "Host: api.example.org:8080",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Proto: http",
        "Authorization: Bearer abc",
        "Content-Type: application/json",
        f"Ocp-Apim-Subscription-Key: {key_of(alices)}",
        "Accept: */*",
        "User-Agent: API-Management-Console",
        f"Content-Length: {len(EXAMPLE)}",
    ]
    assert gateway.body == EXAMPLE.encode()


@pytest.mark.parametrize(
    ("fields", "target"),
    [
        pytest.param(
            {"template:service": "a/b?c"}, "/echo/services/a%2Fb%3Fc/x?v=2.0", id="delimiters in a path value"
        ),
        pytest.param(
            {"template:service": "%2e ä+"}, "/echo/services/%252e%20%C3%A4%2B/x?v=2.0", id="percent in a path"
        ),
        pytest.param(
            {"template:version": "P&T=1#2+3 %"}, "/echo/services/s1/x?v=P%26T%3D1%232%2B3%20%25", id="in a query"
        ),
        pytest.param({"query:format": "x"}, "/echo/services/s1/x?v=2.0", id="a parameter that is switched off"),
        pytest.param({"on": ["query:format"]}, "/echo/services/s1/x?v=2.0", id="an optional parameter without a value"),
        pytest.param(
            {"on": ["query:format"], "query:format": "a\r\nb"},
            "/echo/services/s1/x?v=2.0&format=a%0D%0Ab",
            id="line breaks in a query value",
        ),
        pytest.param(
            {"added-query-name": ["a b", "a b", "", "e"], "added-query-value": ["1", "2", "", ""]},
            "/echo/services/s1/x?v=2.0&a%20b=1&a%20b=2&e=",
            id="added parameters, twice the same and one empty",
        ),
    ],
)
def test_values_are_percent_encoded(send, execute, gateway, fields, target):
    response = send(execute, {"on": []} | fields)
    assert gateway.request_line == f"POST {target} HTTP/1.1"
    assert response.context["console"].result.url == f"http://api.example.org:8080{target}"


def test_wildcard_keeps_its_slashes(send, operation_of, gateway):
    send(operation_of("GET", "/files/{*rest}"), {"template:rest": "a b/c/"})
    assert gateway.request_line == "GET /echo/files/a%20b/c/ HTTP/1.1"


def test_wildcard_may_be_empty(send, operation_of, gateway):
    send(operation_of("GET", "/files/*"), {"template:*": ""})
    assert gateway.request_line == "GET /echo/files/ HTTP/1.1"


def test_literals_of_the_template_are_left_as_they_are(send, operation_of, gateway):
    response = send(operation_of("GET", "/%7ea/:b;c='d'?x[]=%c3%a4&y={y}"), {"template:y": "1"})
    assert gateway.request_line == "GET /echo/%7Ea/:b;c='d'?x%5B%5D=%C3%A4&y=1 HTTP/1.1"
    assert response.context["console"].result.url.endswith("/%7Ea/:b;c='d'?x%5B%5D=%C3%A4&y=1")


def test_added_headers_are_sent_in_order_and_twice(send, execute, gateway):
    fields = {"added-header-name": ["X-A", "x-a", "Accept", ""], "added-header-value": [" 1 ", "2", "text/plain", ""]}
    send(execute, fields)
    assert [line for line in gateway.lines if line.lower().startswith("x-a:")] == ["X-A: 1", "X-A: 2"]
    assert [line for line in gateway.lines if line.startswith("Accept")] == ["Accept: text/plain"]


def test_a_typed_key_goes_instead_of_the_subscriptions(send, execute, gateway, alice, alices):
    fields = {"added-header-name": "ocp-apim-subscription-key", "added-header-value": "typed"}
    send(execute, {"subscription": str(alices.pk)} | fields, by=alice)
    sent = [line for line in gateway.lines if line.lower().startswith("ocp-apim")]
    assert sent == ["ocp-apim-subscription-key: typed"]


def test_the_key_goes_into_the_header_that_the_api_names(send, execute, gateway, alice, alices):
    execute.api.key_header_name = "X-Api-Key"
    execute.api.save()
    send(execute, {"subscription": str(alices.pk)}, by=alice)
    assert f"X-Api-Key: {key_of(alices)}" in gateway.lines


def test_no_key_is_sent_where_none_is_chosen(send, execute, gateway, alice, alices):
    send(execute, {"subscription": ""}, by=alice)
    assert "ocp-apim" not in "\n".join(gateway.lines).lower()


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [
        ("GET", "", None),
        ("GET", "{}", "2"),
        ("DELETE", "", None),
        ("DELETE", "{}", "2"),
        ("POST", "", "0"),
        ("PUT", "", "0"),
    ],
)
def test_body_and_its_length(send, operation_of, gateway, method, body, length):
    send(operation_of(method, "/things"), {"body": body})
    lengths = [line.partition(": ")[2] for line in gateway.lines if line.startswith("Content-Length")]
    assert lengths == ([] if length is None else [length])
    assert gateway.body == body.encode()


def test_line_breaks_of_a_text_body_are_line_feeds(send, execute, gateway):
    send(execute, {"body": "a\r\nb\r\nä"})
    assert gateway.body == "a\nb\nä".encode()


def test_line_breaks_of_a_multipart_body_stay(send, execute, gateway):
    send(
        execute,
        {"body": "--x\r\n", "header:Content-Type": "Multipart/Form-Data; boundary=x", "on": "header:Content-Type"},
    )
    assert gateway.body == b"--x\r\n"


def test_a_file_is_sent_as_it_is(send, execute, gateway):
    content = bytes(range(256)) * 300
    send(execute, {"body-kind": "file", "file": SimpleUploadedFile("a.bin", content)})
    assert gateway.body == content


def test_redirects_are_not_followed(send, execute, gateway):
    gateway.answer = answer(b"", f"Location: {gateway.url}/elsewhere", status="302 Found")
    response = send(execute)
    assert len(gateway.received) == 1
    assert "does not follow redirects" in response.content.decode()


def test_proxies_of_the_environment_are_not_used(send, execute, gateway, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert send(execute).context["console"].result.answer.status == 200


def test_cookies_are_not_kept(send, execute, gateway):
    gateway.answer = answer(b"", "Set-Cookie: a=1")
    send(execute)
    send(execute)
    assert not any(line.startswith("Cookie") for line in gateway.lines)


def test_https_of_the_public_url_is_told_to_the_gateway(send, execute, gateway, settings):
    settings.GATEWAY_URL = "https://api.example.org"
    response = send(execute)
    assert "X-Forwarded-Proto: https" in gateway.lines
    assert "Host: api.example.org" in gateway.lines
    assert response.context["console"].result.url.startswith("https://api.example.org/echo/")
