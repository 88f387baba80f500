"""What the portal does not send, and how it says so."""

import html

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        pytest.param("X A", "1", "A header's name is made of", id="space in a name"),
        pytest.param("X:A", "1", "A header's name is made of", id="colon in a name"),
        pytest.param("X-A\r\nX-B", "1", "A header's name is made of", id="line break in a name"),
        pytest.param("Xä", "1", "A header's name is made of", id="not ASCII in a name"),
        pytest.param("X" * 257, "1", "A name has at most", id="a long name"),
        pytest.param("X-A", "1\r\nX-Admin: 1", "cannot hold line breaks", id="line break in a value"),
        pytest.param("X-A", "1\nX-Admin: 1", "cannot hold line breaks", id="line feed in a value"),
        pytest.param("X-A", "1\0", "control characters", id="null character"),
        pytest.param("X-A", "1\x7f", "control characters", id="delete character"),
        pytest.param("X-A", "ä", "'ä' cannot be sent in a header", id="not ASCII"),
        pytest.param("X-A", "x" * 16_385, "A value has at most 16,384", id="a long value"),
        pytest.param("", "1", "Enter a name", id="a value without a name"),
        pytest.param("Host", "x", "set by the console itself", id="host"),
        pytest.param("content-LENGTH", "5", "set by the console itself", id="length"),
        pytest.param("Transfer-Encoding", "chunked", "set by the console itself", id="coding"),
        pytest.param("Connection", "X-Forwarded-For", "set by the console itself", id="connection"),
        pytest.param("Expect", "100-continue", "set by the console itself", id="expect"),
        pytest.param("X-Forwarded-For", "10.0.0.1", "set by the gateway", id="address"),
        pytest.param("Forwarded", "for=10.0.0.1", "set by the gateway", id="forwarded"),
    ],
)
def test_header_that_cannot_be_sent(send, execute, gateway, name, value, error):
    response = send(execute, {"added-header-name": name, "added-header-value": value})
    assert response.status_code == 422
    assert error in html.unescape(response.content.decode())
    assert gateway.received == []


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        pytest.param({"template:service": ""}, "Enter a value", id="empty path value"),
        pytest.param({"template:service": ".."}, "'.' and '..' cannot be sent in a path", id="dots"),
        pytest.param({"template:service": "."}, "'.' and '..' cannot be sent in a path", id="dot"),
        pytest.param({"template:service": "a/../b"}, "'.' and '..' cannot be sent in a path", id="dots among slashes"),
        pytest.param({"template:service": "a\\..;x"}, "'.' and '..' cannot be sent in a path", id="dots for Java"),
        pytest.param({"template:service": "a\0"}, "null character", id="null character"),
        pytest.param(
            {"template:version": ""}, "Enter a value: it is required", id="empty value in the template's query"
        ),
        pytest.param({"header:Authorization": ""}, "Enter a value: it is required", id="empty required header"),
        pytest.param(
            {"header:Authorization": "a\r\nb"}, "cannot hold line breaks", id="line break in a declared header"
        ),
        pytest.param({"query:trace": "x" * 16_385}, "A value has at most", id="a long query value"),
        pytest.param({"body-kind": "file"}, "Choose a file", id="no file"),
        pytest.param({"added-query-name": ["a"] * 41, "added-query-value": ["b"] * 41}, "At most 40", id="many rows"),
    ],
)
def test_form_that_cannot_be_sent(send, execute, gateway, fields, error):
    response = send(execute, fields)
    assert response.status_code == 422
    assert error in html.unescape(response.content.decode())
    assert gateway.received == []


def test_error_stands_at_its_field_and_takes_the_focus(send, execute, gateway):
    page = send(execute, {"template:version": ""}, htmx=True).content.decode()
    field = page[page.index('name="template:version"') :].partition(">")[0]
    assert 'aria-invalid="true" aria-describedby="console-template-2-error" autofocus' in field
    assert 'id="console-template-2-error">Enter a value' in page


def test_refused_form_comes_back_in_place_with_what_was_typed(send, execute, gateway):
    response = send(execute, {"template:version": "", "template:service": "<s2>"}, htmx=True)
    assert response["HX-Retarget"] == "#console"
    assert 'value="&lt;s2&gt;"' in response.content.decode()
    assert "<html" not in response.content.decode()


def test_body_over_the_limit_is_refused(send, execute, gateway, settings):
    settings.CONSOLE_REQUEST_LIMIT_BYTES = 1000
    response = send(execute, {"body": "x" * 1001})
    assert response.status_code == 422
    assert "The body has 1,001 bytes; the console sends at most 1,000." in response.content.decode()
    response = send(execute, {"body-kind": "file", "file": SimpleUploadedFile("a", b"x" * 1001)})
    assert response.status_code == 422
    assert gateway.received == []


@pytest.mark.parametrize("htmx", [True, False])
def test_request_over_the_limit_is_refused_before_it_is_read(send, execute, gateway, settings, htmx):
    settings.CONSOLE_REQUEST_LIMIT_BYTES = 1000
    response = send(execute, {"file": SimpleUploadedFile("a", b"x" * 300_000)}, htmx=htmx)
    assert response.status_code == 413
    assert "The body is too large" in response.content.decode()
    assert gateway.received == []


def test_send_without_csrf_token_is_refused(execute, gateway):
    response = Client(enforce_csrf_checks=True).post(reverse("portal:send", args=["echo", "execute"]))
    assert response.status_code == 403
    assert gateway.received == []
