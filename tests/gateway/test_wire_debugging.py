"""Calls with a debug token: what they are answered, and what their traces tell."""

import json
import os
import re
import time
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.configuration import key_digest
from gateway.configuration.sealed import cipher, seal
from gateway.configuration.snapshot import (
    API,
    Backend,
    Credentials,
    Operation,
    Product,
    Quota,
    RateLimit,
    Retry,
    Snapshot,
    Subscription,
)
from gateway.telemetry.debug_token import make_token, token_secret
from tests.gateway.conftest import Gateway, free_port
from tests.gateway.raw import BackendConnection, Response

ALICE, BOB = b"A" * 16, b"B" * 16
ELAPSED = re.compile(r"[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{7}")
EXECUTE = "/run/{job}?api-version={version}"


def snapshot_of(backend_port: int) -> Snapshot:
    """A1 is alice's key, with limits; tracing is allowed for her, and not for bob, whose key is B1.

    The keys of the others open nothing: E1 has expired, S1 is suspended, R0 was replaced by R1, and O1 is for
    another API.
    """
    secret = key_digest.digest_secret(os.environ["KEY_ENCRYPTION_KEY"])
    credentials = Credentials(headers=(("X-Secret", "s3cret"),), query=(("code", "s3cret"),))
    operations = (Operation(1, "GET", EXECUTE), Operation(2, "POST", "/jobs"))

    def api(number: int, path: str, url: str = "", backend: int | None = None) -> API:
        own = tuple(replace(one, id=10 * number + one.id) for one in operations)
        names = ("Ocp-Apim-Subscription-Key", "subscription-key")
        return API(number, path, url, ("http", "https"), True, *names, None, own, backend)

    def subscription(number: int, id: bytes, *, allow_tracing: bool = False, **values: Any) -> Subscription:
        key = key_digest.digest(secret, b"%c1" % id[0])
        return replace(Subscription(id, number, 1, None, True, None, (key,), allow_tracing), **values)

    replaced = key_digest.digest(secret, b"R0")

    return Snapshot(
        1,
        "test",
        "",
        (
            api(1, "echo", f"http://127.0.0.1:{backend_port}/base"),
            api(2, "secret", backend=1),
            api(3, "refusing", f"http://127.0.0.1:{free_port()}/"),
            api(4, "private", f"http://127.0.0.1:{backend_port}/"),
            replace(api(5, "open", f"http://127.0.0.1:{backend_port}/"), open_product=2),
        ),
        (Product(1, (1, 2, 3), RateLimit(1000, 60), Quota(5000, 3600)), Product(2, (5,), policy_is_broken=True)),
        (
            subscription(1, ALICE, allow_tracing=True),
            subscription(2, BOB),
            subscription(3, b"E" * 16, expires_at=time.time() - 1),
            subscription(4, b"S" * 16, is_active=False, inactive_because="suspended"),
            subscription(5, b"R" * 16, old_keys=((replaced, time.time() - 1),)),
            subscription(6, b"O" * 16, product=None, api=2),
        ),
        (
            Backend(
                1,
                "secret",
                url=f"http://127.0.0.1:{backend_port}/sealed",
                sealed=seal(credentials, cipher(os.environ["KEY_ENCRYPTION_KEY"])),
                retry=Retry(1, 0.0, (503,)),
            ),
        ),
    )


@pytest.fixture(scope="module")
def module_gateway(start_gateway, session_backend) -> Gateway:
    return start_gateway(snapshot_of(session_backend.port))


@pytest.fixture
def gateway(module_gateway, backend):
    yield module_gateway
    module_gateway.settle()


def token_for(subscription: bytes | None, *, ago: float = 0, seconds: int = 600) -> str:
    secret = token_secret(os.environ["KEY_ENCRYPTION_KEY"])
    return make_token(secret, subscription, time.time() - ago, seconds)


def call(gateway: Gateway, target: str, *lines: str, method: str = "GET", token: str | None = None) -> Response:
    token = token_for(ALICE) if token is None else token
    head = [f"{method} {target} HTTP/1.1", "Host: a", f"Apim-Debug-Authorization: {token}", *lines, "", ""]
    return gateway.ask("\r\n".join(head).encode())


def fetched(gateway: Gateway, trace_id: bytes, token: str | None = None) -> Response:
    token = token_for(ALICE) if token is None else token
    return gateway.ask(
        b"GET /status-0123456789abcdef/traces/%b HTTP/1.1\r\nHost: a\r\nApim-Debug-Authorization: %b\r\n\r\n"
        % (trace_id, token.encode())
    )


def trace_of(gateway: Gateway, response: Response, token: str | None = None) -> dict[str, list[dict]]:
    answer = fetched(gateway, response.header("Apim-Trace-Id"), token)
    assert answer.status == 200
    assert answer.header("Content-Type") == b"application/json"
    (entries,) = json.loads(answer.body).values()
    assert list(entries) == ["inbound", "backend", "outbound"]
    times = [entry["elapsed"] for section in ("inbound", "backend", "outbound") for entry in entries[section]]
    assert all(ELAPSED.fullmatch(elapsed) for elapsed in times)
    assert b"s3cret" not in answer.body
    return entries


def data_of(entries: list[dict], source: str) -> list[dict]:
    return [entry["data"] for entry in entries if entry["source"] == source]


KEY_NAME = "Ocp-Apim-Subscription-Key"
KEY = f"{KEY_NAME}: A1"


def test_a_call_that_goes_well_is_told_step_by_step(gateway, backend):
    answer = call(gateway, "/echo/run/7?api-version=2.0", KEY)
    assert answer.body == b"ok"
    entries = trace_of(gateway, answer)
    assert data_of(entries["inbound"], "configuration") == [
        {"api": "echo", "operation": f"GET {EXECUTE}", "parameters": {"job": "7", "version": "2.0"}}
    ]
    assert data_of(entries["inbound"], "authorization") == [{"subscription": ALICE.hex(), "scope": "product 1"}]
    (rate,), (quota,) = data_of(entries["inbound"], "rate-limit"), data_of(entries["inbound"], "quota")
    assert (rate["counter"], rate["allowed"], rate["seconds of the period"]) == ("rate", 1000, 60)
    assert 0 < rate["left"] < 1000
    assert (quota["counter"], quota["allowed"]) == ("quota", 5000)
    sent, answered = data_of(entries["backend"], "forward-request")[-2:]
    assert sent["url"] == f"http://127.0.0.1:{backend.port}/base/run/7?api-version=2.0"
    assert (sent["address"], answered["status"]) == ("127.0.0.1", 200)
    (outbound,) = data_of(entries["outbound"], "transfer-response")
    assert outbound["status"] == 200
    assert outbound["response bytes"] == len(answer.head) + len(answer.body)


def test_a_connection_is_new_or_was_kept(gateway, backend):
    backend.hang_up()
    client = gateway.connect()
    head = (
        f"GET /echo/run/7?api-version=2.0 HTTP/1.1\r\nHost: a\r\n{KEY}\r\nApim-Debug-Authorization: {token_for(ALICE)}"
    )
    answers = [client.ask(head.encode() + b"\r\n\r\n") for _ in range(2)]
    told = [data_of(trace_of(gateway, answer)["backend"], "forward-request") for answer in answers]
    assert told[0][-2]["connection"] == "new"
    assert told[1][0]["connection"] == "kept open"


def test_the_token_reaches_nobody(gateway, backend):
    token = token_for(ALICE)
    call(gateway, "/echo/run/token-reaches?api-version=2.0", KEY, "Ocp-Apim-Trace: true", token=token)
    (request,) = backend.requests
    assert b"debug" not in request.lower()
    assert b"ocp-apim" not in request.lower()
    record = gateway.record(b"/echo/run/token-reaches?api-version=2.0")
    assert token.encode() not in repr(record).encode()
    assert token not in gateway.log.read_text()
    assert not any(token.encode() in file.read_bytes() for file in gateway.directory.rglob("traces/*"))


def test_a_call_without_a_token_has_no_trace(gateway, backend):
    answer = gateway.ask(
        f"GET /echo/run/7?api-version=1 HTTP/1.1\r\nHost: a\r\nOcp-Apim-Trace: true\r\n{KEY}\r\n\r\n".encode()
    )
    assert answer.status == 200
    assert b"apim-" not in answer.head.lower()


@pytest.mark.parametrize(
    ("token", "key"),
    [
        pytest.param(lambda: token_for(ALICE, ago=1000), "A1", id="expired"),
        pytest.param(lambda: token_for(ALICE)[:-2] + "AA", "A1", id="forged"),
        pytest.param(lambda: "", "A1", id="empty"),
        pytest.param(lambda: token_for(BOB), "B1", id="tracing is not allowed"),
        pytest.param(lambda: token_for(b"C" * 16), "A1", id="of a subscription that is gone"),
        pytest.param(lambda: token_for(ALICE), "B1", id="of another subscription"),
    ],
)
def test_a_token_that_is_of_no_use_leaves_the_call_untraced(token, key, gateway, backend):
    answer = call(gateway, "/echo/run/7?api-version=1", f"Ocp-Apim-Subscription-Key: {key}", token=token())
    assert answer.body == b"ok"
    assert answer.header("Apim-Debug-Authorization-Expired") == b"true"
    assert answer.header("Apim-Trace-Id") is None


def test_a_token_of_the_service_traces_everybodys_calls(gateway, backend):
    token = token_for(None)
    answer = call(gateway, "/echo/run/7?api-version=1", "Ocp-Apim-Subscription-Key: B1", token=token)
    trace_id = answer.header("Apim-Trace-Id")
    assert fetched(gateway, trace_id, token).status == 200
    assert fetched(gateway, trace_id).status == 404


def test_a_query_parameter_that_was_missing_is_named(gateway):
    answer = call(gateway, "/echo/run/7?version=2.0", KEY)
    assert answer.status == 404
    entries = trace_of(gateway, answer)
    (routing,) = data_of(entries["inbound"], "configuration")
    assert routing["missing"] == {f"GET {EXECUTE}": ["api-version"]}
    assert data_of(entries["outbound"], "configuration") == [{"reason": "OperationNotFound"}]


@pytest.mark.parametrize(
    ("target", "line", "told"),
    [
        pytest.param("/echo/run/7?api-version=1", "X: 1", {"message": "No key was sent."}, id="no key"),
        pytest.param(
            "/echo/run/7?api-version=1&subscription-key=WRONG",
            "X: 1",
            {"message": "No subscription has this key."},
            id="a wrong key",
        ),
        pytest.param(
            "/private/run/7?api-version=1",
            KEY,
            {
                "subscription": ALICE.hex(),
                "scope": "product 1",
                "message": "The product of the subscription does not contain this API.",
            },
            id="another scope",
        ),
    ],
)
def test_why_a_key_does_not_open_the_api(target, line, told, gateway):
    answer = call(gateway, target, line)
    assert answer.status == 401
    entries = trace_of(gateway, answer)
    assert data_of(entries["inbound"], "authorization") == [told]
    assert "WRONG" not in str(entries)
    assert "A1" not in str(entries)


@pytest.mark.parametrize(
    ("target", "key", "told"),
    [
        pytest.param(
            "/echo", f"A1\r\n{KEY_NAME}: B1", {"message": "Several keys were sent that differ."}, id="two keys"
        ),
        pytest.param("/echo", "W" * 257, {"message": "What was sent is too long for a key."}, id="too long"),
        pytest.param("/echo", "E1", {"scope": "product 1", "message": "The subscription has expired."}, id="expired"),
        pytest.param(
            "/echo",
            "S1",
            {"scope": "product 1", "message": "The subscription is not active.", "state": "suspended"},
            id="suspended",
        ),
        pytest.param(
            "/echo",
            "R0",
            {"scope": "product 1", "message": "The key was replaced by a new one, and has ended."},
            id="replaced",
        ),
        pytest.param(
            "/private",
            "R1",
            {"scope": "product 1", "message": "The product of the subscription does not contain this API."},
            id="the key in place of one that was replaced",
        ),
        pytest.param(
            "/echo", "O1", {"scope": "API secret", "message": "The subscription is for another API."}, id="another API"
        ),
        pytest.param(
            "/open", "", {"message": "No key was sent; the product 2 needs none."}, id="a broken product that is open"
        ),
    ],
)
def test_the_exact_cause_is_told_to_a_token_of_the_service(target, key, told, gateway):
    token = token_for(None)
    answer = call(gateway, f"{target}/run/7?api-version=1", f"{KEY_NAME}: {key}", token=token)
    assert answer.status in (401, 500)
    (found,) = data_of(trace_of(gateway, answer, token)["inbound"], "authorization")
    assert {name: value for name, value in found.items() if name != "subscription"} == told
    assert found.get("subscription") == ((key[:1].encode() * 16).hex() if "scope" in told else None)


def test_credentials_are_not_told_and_an_attempt_in_vain_is(gateway, backend):
    def behave(connection: BackendConnection) -> None:
        for answer in (b"503 Service Unavailable", b"200 OK"):
            backend.take(connection)
            connection.send(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % answer)

    backend.behave = behave
    answer = call(gateway, "/secret/run/7?api-version=1", KEY)
    assert answer.status == 200
    assert all(b"code=s3cret" in request for request in backend.requests)
    entries = trace_of(gateway, answer)
    steps = data_of(entries["backend"], "forward-request")
    assert [step["status"] for step in steps if "status" in step] == [503, 200]
    assert {step["url"] for step in steps if "url" in step} == {
        f"http://127.0.0.1:{backend.port}/sealed/run/7?api-version=1"
    }
    assert [step.get("attempt") for step in steps if "url" in step] == [None, 2]


def test_a_backend_that_cannot_be_reached_is_told(gateway):
    answer = call(gateway, "/refusing/run/7?api-version=1", KEY)
    assert answer.status == 502
    entries = trace_of(gateway, answer)
    assert data_of(entries["backend"], "forward-request")[-1]["reason"] == "BackendConnectionFailure"
    assert data_of(entries["outbound"], "forward-request") == [{"reason": "BackendConnectionFailure"}]


@pytest.mark.parametrize(
    ("trace_id", "token", "status"),
    [
        pytest.param(b"0" * 32, lambda: "", 401, id="no token"),
        pytest.param(b"0" * 32, lambda: token_for(ALICE, ago=1000), 401, id="expired"),
        pytest.param(b"0" * 32, lambda: token_for(BOB), 401, id="tracing is not allowed"),
        pytest.param(b"0" * 32, lambda: token_for(ALICE), 404, id="unknown"),
        pytest.param(b"../snapshot.msgpack", lambda: token_for(ALICE), 404, id="a path"),
        pytest.param(b"%2e%2e%2fsnapshot.msgpack", lambda: token_for(ALICE), 404, id="an encoded path"),
    ],
)
def test_a_trace_is_there_for_its_token_alone(trace_id, token, status, gateway):
    assert fetched(gateway, trace_id, token()).status == status


def test_another_token_of_the_same_subscription_fetches_the_trace(gateway, backend):
    answer = call(gateway, "/echo/run/7?api-version=1", KEY, token=token_for(ALICE, ago=30))
    assert fetched(gateway, answer.header("Apim-Trace-Id"), token_for(ALICE)).status == 200


def test_a_target_that_only_begins_as_the_status_does_is_a_call(gateway):
    assert gateway.ask(b"GET /status-0123456789abcdefg HTTP/1.1\r\nHost: a\r\n\r\n").status == 404


def test_a_websockets_handshake_is_traced(gateway, backend):
    def behave(connection: BackendConnection) -> None:
        backend.take(connection)
        connection.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        )

    backend.behave = behave
    lines = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    answer = call(gateway, "/echo/run/7?api-version=1", KEY, *lines, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    assert answer.status == 101
    entries = trace_of(gateway, answer)
    assert data_of(entries["backend"], "forward-request")[-1]["status"] == 101
