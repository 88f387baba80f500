"""Which hop failed, and what to do."""

import socket

import pytest
from django.utils.html import escape

from analytics.explanation import Hop
from tests.portal.console.conftest import answer


def by_gateway(status: int, message: str, *lines: str) -> bytes:
    body = f'{{ "statusCode": {status}, "message": "{message}" }}'
    return answer(body.encode(), *lines, status=f"{status} X")


RATE = by_gateway(429, "Rate limit is exceeded. Try again in 57 seconds.", "Retry-After: 57")
QUOTA = by_gateway(403, "Out of call volume quota. Quota will be replenished in 14.07:13:56.", "Retry-After: 1235636")
MISSING = by_gateway(401, "Access denied due to missing subscription key. Make sure to include subscription key.")


@pytest.mark.parametrize(
    ("reply", "hop", "title", "wait"),
    [
        pytest.param(RATE, Hop.GATEWAY, "Too many calls with this subscription", 57, id="rate limit"),
        pytest.param(QUOTA, Hop.GATEWAY, "Out of call volume quota.", 1235636, id="quota"),
        pytest.param(MISSING, Hop.GATEWAY, "This API needs a subscription key", None, id="no key"),
        pytest.param(by_gateway(404, "Resource not found"), Hop.GATEWAY, "no operation with this URL", None, id="404"),
        pytest.param(by_gateway(413, "Too large"), Hop.GATEWAY, "Too large", None, id="413"),
        pytest.param(by_gateway(503, "Busy", "Retry-After: 1"), Hop.GATEWAY, "Busy", 1, id="503"),
        pytest.param(by_gateway(502, "Bad gateway"), Hop.BACKEND, "did not answer the gateway", None, id="502"),
        pytest.param(by_gateway(504, "Timeout"), Hop.BACKEND, "took too long", None, id="504"),
        pytest.param(answer(b"{}", status="404 X"), Hop.BACKEND, "The backend answered 404", None, id="backend's 404"),
        pytest.param(answer(b"{}", status="401 X"), Hop.BACKEND, "The backend answered 401", None, id="backend's 401"),
        pytest.param(
            answer(b"{}", status="999 X"), Hop.BACKEND, "The backend answered 999", None, id="no status of HTTP"
        ),
        pytest.param(
            answer(b'{"statusCode": 429, "message": "x"}', "Retry-After: 5", status="429 X"),
            Hop.BACKEND,
            "The backend answered 429",
            5,
            id="backend's 429",
        ),
        pytest.param(
            answer(b"{}", "Retry-After: Wed, 05 Jun 2030 14:48:15 GMT", status="503 X"),
            Hop.BACKEND,
            "The backend answered 503",
            None,
            id="date to wait for",
        ),
    ],
)
def test_answer_that_tells_of_a_failure(send, execute, gateway, reply, hop, title, wait):
    gateway.answer = reply
    response = send(execute, htmx=True)
    diagnosis = response.context["result"].diagnosis
    assert (diagnosis.hop, diagnosis.wait_seconds) == (hop, wait)
    assert title in diagnosis.title
    assert escape(diagnosis.title) in response.content.decode()


def test_rejected_key_is_told_from_a_missing_one(send, execute, gateway, alice, alices):
    gateway.answer = by_gateway(401, "Access denied due to invalid subscription key.")
    response = send(execute, {"subscription": str(alices.pk)}, by=alice)
    assert "The gateway did not accept the key" in response.content.decode()


@pytest.mark.parametrize(
    "typed",
    [
        {"added-header-name": "ocp-apim-subscription-key", "added-header-value": "foo"},
        {"added-query-name": "Subscription-Key", "added-query-value": "foo"},
    ],
    ids=["header", "query"],
)
def test_rejected_key_that_was_typed(send, execute, gateway, alice, alices, typed):
    gateway.answer = by_gateway(401, "Access denied due to invalid subscription key.")
    page = send(execute, typed, by=alice).text
    assert "The gateway did not accept the key" in page
    assert "Check the key that you typed" in page


def test_guest_without_a_key_is_led_to_signing_in(send, execute, gateway):
    gateway.answer = MISSING
    diagnosed = send(execute, htmx=True).text.partition("Response status")[0]
    assert '<a href="/account/login/?next=/apis/echo/execute/">Sign in</a>' in diagnosed
    assert '<a href="/account/signup/?next=/apis/echo/execute/">sign up</a>' in diagnosed
    assert "Choose" not in diagnosed


def test_developer_without_a_key_is_led_to_his_subscriptions(send, execute, gateway, alice):
    gateway.answer = MISSING
    diagnosed = send(execute, by=alice, htmx=True).text.partition("Response status")[0]
    assert "Choose one of your subscriptions" in diagnosed
    assert "/account/login/" not in diagnosed


@pytest.mark.parametrize(
    ("scheme", "proxies", "title"),
    [
        ("https", [], "This API is published for HTTPS only; the gateway is reached by http here"),
        ("http", [], "The gateway knows no operation with this URL"),
        ("both", [], "The gateway knows no operation with this URL"),
        ("https", ["127.0.0.1"], "The gateway knows no operation with this URL"),
    ],
)
def test_api_that_the_gateway_does_not_serve_by_this_scheme(send, execute, gateway, settings, scheme, proxies, title):
    settings.GATEWAY_URL, settings.TRUSTED_PROXIES = "http://api.example.org", proxies
    type(execute.api).objects.update(scheme=scheme)
    gateway.answer = by_gateway(404, "Resource not found")
    assert title in send(execute).text


def test_gateway_with_a_port_is_not_said_to_serve_https(send, execute, gateway, settings):
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    type(execute.api).objects.update(scheme="https")
    gateway.answer = by_gateway(404, "Resource not found")
    assert "This API is published for HTTPS only" in send(execute).text
    assert "X-Forwarded-Proto: http" in gateway.lines


def test_request_id_is_shown_with_the_failure(send, execute, gateway):
    gateway.answer = answer(b"{}", "X-Request-Id: 6f1c7a5e", status="500 X")
    assert '<code id="console-request-id">6f1c7a5e</code>' in send(execute).content.decode()


def test_success_has_no_diagnosis(send, execute, gateway):
    assert send(execute).context["console"].result.diagnosis is None


@pytest.mark.parametrize("htmx", [True, False])
def test_gateway_that_is_not_there(send, execute, gateway, settings, htmx):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        settings.GATEWAY_INTERNAL_URL = f"http://127.0.0.1:{unused.getsockname()[1]}"
    response = send(execute, htmx=htmx)
    assert response.status_code == 200
    assert "The gateway cannot be reached" in response.content.decode()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"SSH-2.0-x\r\n\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n", id="too many headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", id="a header too long"),
    ],
)
def test_answer_that_cannot_be_read(send, execute, gateway, sent):
    gateway.behave = lambda connection: connection.sendall(sent)
    assert "The gateway&#x27;s answer cannot be read" in send(execute).content.decode()


def test_body_that_breaks_off_is_shown_as_far_as_it_came(send, execute, gateway):
    gateway.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Type: text/plain\r\n\r\nhalf"
    response = send(execute)
    result = response.context["console"].result
    assert (result.content.text, result.tone) == ("half", "warn")
    assert result.diagnosis.hop is Hop.BACKEND
    assert "The answer broke off after 4 of 100 bytes" in response.text
    assert "200 OK, incomplete," in response.text


@pytest.fixture
def drip(gateway, settings):
    """Sends a head, then one byte now and then until the console hangs up."""
    settings.CONSOLE_TIMEOUT_SECONDS = 0.3

    def choose(head: bytes):
        def behave(connection: socket.socket) -> None:
            connection.sendall(head)
            connection.settimeout(0.02)
            while True:
                try:
                    if connection.recv(1) == b"":
                        return
                except TimeoutError:
                    connection.sendall(b"x")

        gateway.behave = behave

    return choose


@pytest.mark.parametrize(
    "head",
    [pytest.param(b"HTTP/1.1 200 OK\r\nX: ", id="in the head"), pytest.param(b"HT", id="in the status line")],
)
def test_head_that_drips_ends_at_the_time_limit(send, execute, drip, head):
    drip(head)
    assert "No answer within 0 seconds" in send(execute).content.decode()


@pytest.mark.parametrize("framing", [b"", b"Content-Length: 100000\r\n"])
def test_body_that_drips_ends_at_the_time_limit(send, execute, drip, settings, framing):
    settings.CONSOLE_TIMEOUT_SECONDS = 2  # The head has to come within it, also on a machine that is busy.
    drip(b"HTTP/1.1 200 OK\r\n" + framing + b"Content-Type: text/plain\r\n\r\n")
    result = send(execute).context["console"].result
    assert result.content.text.strip("x") == ""
    assert (result.diagnosis.hop, result.tone) == (Hop.BACKEND, "warn")
    assert "The answer had not ended" in result.diagnosis.title


def test_gateway_that_says_nothing(send, execute, gateway, settings):
    settings.CONSOLE_TIMEOUT_SECONDS = 0.3
    gateway.behave = lambda connection: connection.recv(1)
    assert "No answer within 0 seconds" in send(execute).content.decode()
