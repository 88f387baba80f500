"""A call of the console with its trace: the gateway's steps, for subscriptions that allow tracing."""

import html
import json
import time

import pytest

from gateway.telemetry.debug_token import read_token, token_secret
from portal.console import trace
from tests.portal.console.conftest import answer

TRACE_ID = "0123456789abcdef" * 2
ENTRIES = {
    "inbound": [
        {
            "source": "configuration",
            "elapsed": "00:00:00.0010000",
            "data": {"api": "echo", "parameters": {"service": "<s1>"}, "missing": {"GET /a": ["b", "c"]}},
        }
    ],
    "backend": [{"source": "forward-request", "elapsed": "00:00:01.5010000", "data": {"status": 200}}],
    "outbound": [{"source": "transfer-response", "elapsed": "00:00:01.5030000", "data": {"status": 200}}],
}


@pytest.fixture
def traceable(alices):
    alices.allow_tracing = True
    alices.save(update_fields=["allow_tracing"])
    return alices


@pytest.fixture
def told(gateway):
    """What the gateway tells: the answer to the call, then the trace as `told["trace"]`."""
    told = {
        "call": answer(b"{}", f"Apim-Trace-Id: {TRACE_ID}"),
        "trace": answer(json.dumps({"traceEntries": ENTRIES}).encode()),
    }

    def behave(connection):
        connection.sendall(told["trace" if b"/traces/" in gateway.received[-1] else "call"])

    gateway.behave = behave
    return told


def traced(send, execute, alice, subscription, **options):
    response = send(execute, {"subscription": str(subscription.pk), "trace": "on"}, by=alice, **options)
    assert response.status_code == 200
    return response


def result_of(response):
    return response.context["result"] if "result" in response.context else response.context["console"].result


def token_in(request: bytes) -> str:
    (line,) = [line for line in request.decode().split("\r\n") if line.lower().startswith("apim-debug-authorization:")]
    return line.partition(": ")[2]


def test_the_trace_is_fetched_and_shown_with_the_time_of_each_step(send, execute, gateway, told, alice, traceable):
    page = html.unescape(traced(send, execute, alice, traceable, htmx=True).content.decode())
    call, fetch = gateway.received
    assert fetch.startswith(f"GET /status-0123456789abcdef/traces/{TRACE_ID} ".encode())
    assert token_in(call) == token_in(fetch)
    assert "1503.0 ms" in page
    assert "+1500.00 ms" in page
    assert "<dt>parameters</dt><dd>service: <s1></dd>" in page
    assert "<dt>missing</dt><dd>GET /a: b, c</dd>" in page


def test_a_trace_is_escaped(send, execute, gateway, told, alice, traceable):
    assert b"service: &lt;s1&gt;" in traced(send, execute, alice, traceable).content


def test_the_token_is_the_subscriptions_own_and_never_on_the_page(
    send, execute, gateway, told, alice, traceable, settings
):
    page = traced(send, execute, alice, traceable).content.decode()
    token = token_in(gateway.received[0])
    secret = token_secret(settings.KEY_ENCRYPTION_KEY)
    assert read_token(secret, token.encode(), time.time()).subscription == traceable.pk.bytes
    assert token not in page
    assert "Apim-Debug-Authorization" not in page


def test_without_the_switch_there_is_no_trace(send, execute, gateway, told, alice, traceable):
    response = send(execute, {"subscription": str(traceable.pk)}, by=alice)
    assert result_of(response).trace is None
    assert b"Debug" not in gateway.received[0]


@pytest.mark.parametrize("allows", [True, False])
def test_the_switch_is_there_for_subscriptions_that_allow_tracing(allows, send, execute, gateway, alice, alices):
    alices.allow_tracing = allows
    alices.save(update_fields=["allow_tracing"])
    page = send(execute, {"subscription": str(alices.pk)}, by=alice).content.decode()
    assert ('type="checkbox" name="trace"' in page) is allows
    assert ("data-traceable" in page) is allows


def test_a_subscription_that_does_not_allow_tracing_is_not_traced(send, execute, gateway, told, alice, alices):
    assert result_of(traced(send, execute, alice, alices)).trace is None
    assert b"Debug" not in gateway.received[0]


def test_a_key_that_was_typed_is_not_traced(send, execute, gateway, told, alice, traceable):
    name = execute.api.key_header_name
    fields = {
        "subscription": str(traceable.pk),
        "trace": "on",
        "added-header-name": name,
        "added-header-value": "K9",
    }
    assert result_of(send(execute, fields, by=alice)).trace is None
    assert b"Debug" not in gateway.received[0]


@pytest.mark.parametrize(
    ("call", "fetched", "note"),
    [
        pytest.param(answer(b"{}"), None, "made no trace", id="no id"),
        pytest.param(answer(b"{}", "Apim-Trace-Id: ../x"), None, "made no trace", id="an id that is a path"),
        pytest.param(None, answer(b"{}", status="404 Not Found"), "could not be fetched", id="not there"),
        pytest.param(None, answer(b" " * (trace.LIMIT_BYTES + 1)), "could not be fetched", id="too large"),
        pytest.param(None, b"", "could not be fetched", id="no answer"),
        pytest.param(None, answer(b"{}"), "cannot be read", id="another shape"),
        pytest.param(None, answer(b"\xff"), "cannot be read", id="no JSON"),
        pytest.param(
            None,
            answer(
                json.dumps(
                    {"traceEntries": {**ENTRIES, "inbound": [{"source": "a", "elapsed": "1", "data": {}}]}}
                ).encode()
            ),
            "cannot be read",
            id="another time",
        ),
    ],
)
def test_a_trace_that_is_missing_is_said_to_be(call, fetched, note, send, execute, gateway, told, alice, traceable):
    told["call"] = call or told["call"]
    told["trace"] = told["trace"] if fetched is None else fetched
    response = traced(send, execute, alice, traceable)
    assert note in result_of(response).trace.note
    assert note in response.content.decode()


def test_a_gateway_that_does_not_answer_has_no_trace(send, execute, gateway, alice, traceable):
    gateway.behave = lambda connection: None
    assert "made no trace" in result_of(traced(send, execute, alice, traceable)).trace.note
