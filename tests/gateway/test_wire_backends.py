"""Backends of their own: where calls go, with which credentials, and how many at a time."""

import os
import threading

import msgspec
import pytest

from gateway.configuration import sealed
from gateway.configuration.snapshot import Backend as Row
from gateway.configuration.snapshot import Breaker, Credentials
from tests.gateway.conftest import free_port, wait_for, with_backends
from tests.gateway.raw import OK, TIMEOUT_SECONDS, BackendConnection

CIPHER = sealed.cipher(os.environ["KEY_ENCRYPTION_KEY"])
HEAD = b" HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: K1\r\n"


def get(target: bytes, *lines: bytes) -> bytes:
    return b"GET " + target + HEAD + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def post(target: bytes, body: bytes) -> bytes:
    return b"POST " + target + HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body


def test_calls_go_to_the_apis_backend_instead_of_its_service_url(start_with, backend):
    gateway = start_with(Row(1, "own", f"http://127.0.0.1:{backend.port}/v1/"))
    assert [gateway.ask(get(b"/own" + rest)).status for rest in (b"", b"/a?b=c")] == [200, 200]
    assert [request.split(b" HTTP")[0] for request in backend.requests] == [b"GET /v1/", b"GET /v1/a?b=c"]
    assert f"\r\nHost: 127.0.0.1:{backend.port}\r\n".encode() in backend.requests[0]


def test_an_api_whose_backend_is_missing_or_broken_is_a_500_and_the_others_go_on(start_with, backend):
    url = f"http://127.0.0.1:{backend.port}"
    rows = (Row(1, "good", url), Row(2, "broken", url, sealed=b"nonsense"), Row(3, "lost", url))
    snapshot = with_backends(*rows)
    gateway = start_with(*rows)
    gateway.reconfigure(msgspec.structs.replace(snapshot, backends=snapshot.backends[:2]))
    assert gateway.ask(get(b"/good/a")).status == 200
    for api in (b"/broken/a", b"/lost/a"):
        answer = gateway.ask(get(api))
        assert answer.body == (
            b'{ "statusCode": 500, "message": "Internal server error", "activityId": "%b" }'
            % answer.header("X-Request-Id")
        )
        record = gateway.record(api)
        assert (record.error_source, record.error_reason) == ("configuration", "BackendMissing")
    assert gateway.ask(b"GET /lost/a HTTP/1.1\r\nHost: a\r\n\r\n").status == 401, "a stranger learns nothing"


def test_credentials_are_added_in_place_of_the_callers_and_in_no_record_or_log(start_with, backend):
    credentials = Credentials(
        headers=(("Authorization", "Basic hunter2"), ("X-Functions-Key", "hunter3")), query=(("code", "hunter4"),)
    )
    gateway = start_with(Row(1, "own", f"http://127.0.0.1:{backend.port}", sealed=sealed.seal(credentials, CIPHER)))
    client = gateway.connect()
    lines = (b"authorization: Bearer mine", b"Connection: X-Functions-Key", b"x-functions-KEY: mine", b"X-Other: 1")
    for _ in range(2):
        assert client.ask(get(b"/own/secret?code=mine&b=2", *lines)).status == 200
    for request in backend.requests:
        assert request.startswith(b"GET /secret?b=2&code=hunter4 HTTP/1.1\r\n")
        assert b"\r\nAuthorization: Basic hunter2\r\n" in request
        assert b"\r\nX-Functions-Key: hunter3\r\n" in request
        assert b"mine" not in request
        assert b"\r\nX-Other: 1\r\n" in request
    wait_for(lambda: sum(record.url == b"/own/secret?code=***&b=2" for record in gateway.records()) == 2)
    written = [file for file in gateway.directory.rglob("*") if file.is_file()]
    assert not any(word in file.read_bytes() for file in written for word in (b"hunter", b"mine"))


def test_a_backend_may_have_a_key_under_the_name_of_the_gateways_own(start_with, backend):
    credentials = sealed.seal(Credentials(query=(("subscription-key", "hunter2"),)), CIPHER)
    gateway = start_with(Row(1, "own", f"http://127.0.0.1:{backend.port}", sealed=credentials))
    assert gateway.ask(b"GET /own/a?subscription-key=K1&b=2 HTTP/1.1\r\nHost: a\r\n\r\n").status == 200
    assert backend.requests[0].startswith(b"GET /a?b=2&subscription-key=hunter2 HTTP/1.1\r\n")


def test_credentials_go_to_their_own_backend_only(start_with, backend):
    credentials = sealed.seal(Credentials(headers=(("Authorization", "hunter2"),)), CIPHER)
    url = f"http://127.0.0.1:{backend.port}"
    gateway = start_with(Row(1, "own", url, sealed=credentials), Row(2, "other", url))
    client = gateway.connect()
    for api in (b"/own/a", b"/other/a", b"/own/a"):
        assert client.ask(get(api)).status == 200
    assert [b"hunter2" in request for request in backend.requests] == [True, False, True]


def test_a_redirect_is_passed_on_and_not_followed_with_the_credentials(start_with, backend):
    backend.answer_with(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n")
    credentials = sealed.seal(Credentials(headers=(("Authorization", "hunter2"),)), CIPHER)
    gateway = start_with(Row(1, "own", f"http://127.0.0.1:{backend.port}", sealed=credentials))
    assert gateway.ask(get(b"/own/a")).header("Location") == b"http://127.0.0.1:9/"
    assert len(backend.requests) == 1


# -- Times ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on_backend", "on_api", "status"),
    [
        pytest.param(0.3, None, 504, id="the backend's"),
        pytest.param(0.3, 60.0, 200, id="the API's goes before it"),
        pytest.param(60.0, 0.3, 504, id="the API's, also where it is shorter"),
        pytest.param(None, None, 200, id="the setting's"),
    ],
)
def test_how_long_an_answer_may_take(on_backend, on_api, status, start_with, backend):
    def behave(connection: BackendConnection) -> None:
        backend.take(connection)
        if status == 200:
            threading.Event().wait(1)
            connection.send(OK)
        connection.read_to_end()

    backend.behave = behave
    row = Row(1, "own", f"http://127.0.0.1:{backend.port}", read_seconds=on_backend)
    gateway = start_with(row, backend_seconds=on_api)
    assert gateway.ask(get(b"/own/a")).status == status


def test_a_backend_that_does_not_accept_is_given_up_after_its_own_time(start_with):
    # An address of RFC 5737: nobody answers there.
    gateway = start_with(Row(1, "own", "http://192.0.2.1", connect_seconds=0.3))
    assert gateway.ask(get(b"/own/unanswered")).status == 502
    assert gateway.record(b"/own/unanswered").total_seconds < 60


# -- Connections ------------------------------------------------------------------------------------


def gated(backend) -> tuple[threading.Semaphore, list[bytes]]:
    """The backend answers one call for each release; the targets in the order of their arrival."""
    gate, seen = threading.Semaphore(0), []

    def behave(connection: BackendConnection) -> None:
        while True:
            seen.append(connection.read_request().split(b" ")[1])
            gate.acquire()
            connection.send(OK)

    backend.behave = behave
    return gate, seen


def test_calls_past_the_most_connections_wait_their_turn(start_with, backend):
    gate, seen = gated(backend)
    gateway = start_with(Row(1, "own", f"http://127.0.0.1:{backend.port}", max_connections=2))
    clients = [gateway.connect() for _ in range(6)]
    for number, client in enumerate(clients):
        client.send(get(b"/own/%d" % number))
        wait_for(lambda number=number: len(seen) == min(number + 1, 2))
    for _ in clients:
        gate.release()
    assert [client.read_response().status for client in clients] == [200] * 6
    assert len(backend.connections) == 2
    assert sorted(seen) == [b"/%d" % number for number in range(6)]


def test_what_was_sent_again_is_not_sent_a_third_time(start_with, backend):
    """RFC 9110 9.2.2: a retry that fails is not retried. Here it has to wait for the connection of another call."""
    may_end = threading.Event()

    def answer_once(connection: BackendConnection) -> None:
        backend.take(connection)
        connection.send(OK)
        backend.take(connection)
        may_end.wait(TIMEOUT_SECONDS)
        connection.close()

    backend.behave = answer_once
    gateway = start_with(Row(1, "own", f"http://127.0.0.1:{backend.port}", max_connections=1))
    first, second = gateway.connect(), gateway.connect()
    assert first.ask(get(b"/own/first")).status == 200
    first.send(get(b"/own/again"))
    wait_for(lambda: len(backend.requests) == 2)
    second.send(get(b"/own/between"))
    assert gateway.ask(get(b"/none")).status == 404, "by now the second one waits for the connection"
    may_end.set()
    assert second.read_response().status == 200
    assert first.read_response().status == 502
    paths = [request.split(b" ")[1] for request in backend.requests]
    assert paths == [b"/first", b"/again", b"/between", b"/again"]


def test_who_waits_too_long_for_a_connection_gets_a_503(start_with, backend):
    gate, seen = gated(backend)
    gateway = start_with(Row(1, "own", f"http://127.0.0.1:{backend.port}", max_connections=1, connect_seconds=2))
    first = gateway.connect()
    first.send(get(b"/own/first"))
    wait_for(lambda: seen)
    answer = gateway.ask(post(b"/own/second", b"x" * 10))
    assert answer.status == 503
    record = gateway.record(b"/own/second")
    assert (record.error_source, record.error_reason) == ("forward-request", "BackendConnectionsExhausted")
    gate.release()
    assert first.read_response().status == 200
    gate.release()
    assert gateway.ask(get(b"/own/third")).status == 200
    assert len(backend.connections) == 1


def test_waiting_in_vain_for_a_connection_opens_no_circuit(start_with, backend):
    gate, seen = gated(backend)
    url = f"http://127.0.0.1:{backend.port}"
    breaker = Breaker(failures=1, interval_seconds=60, trip_seconds=60)
    gateway = start_with(Row(1, "own", url, max_connections=1, connect_seconds=2, breaker=breaker))
    first = gateway.connect()
    first.send(get(b"/own/held"))
    wait_for(lambda: seen)
    assert b"All connections" in gateway.ask(get(b"/own/in-vain")).body
    gate.release()
    assert first.read_response().status == 200
    gate.release()
    assert gateway.ask(get(b"/own/later")).status == 200


def test_a_place_is_free_again_when_its_connection_ends_or_never_came_about(start_with, backend):
    gateway = start_with(
        Row(1, "own", f"http://127.0.0.1:{backend.port}", max_connections=1),
        Row(2, "refusing", f"http://127.0.0.1:{free_port()}", max_connections=1, connect_seconds=0.5),
    )
    backend.answer_with(OK, then_close=True)
    for _ in range(3):
        assert gateway.ask(get(b"/own/a")).status == 200
        assert gateway.ask(get(b"/refusing/a")).status == 502


def test_a_caller_that_leaves_while_it_waits_leaves_its_place_to_the_next(start_with, backend):
    gate, seen = gated(backend)
    gateway = start_with(Row(1, "own", f"http://127.0.0.1:{backend.port}", max_connections=1))
    first, leaving, last = (gateway.connect() for _ in range(3))
    first.send(get(b"/own/first"))
    wait_for(lambda: seen)
    leaving.send(get(b"/own/leaving"))
    leaving.reset()
    assert gateway.record(b"/own/leaving").error_reason == "ClientConnectionFailure"
    last.send(get(b"/own/last"))
    gate.release()
    gate.release()
    assert [client.read_response().status for client in (first, last)] == [200, 200]
    assert seen == [b"/first", b"/last"]


def test_no_more_idle_connections_are_kept_than_the_backend_says(start_with, backend):
    gate, arrived, ended = threading.Semaphore(0), [], []

    def behave(connection: BackendConnection) -> None:
        arrived.append(connection.read_request())
        gate.acquire()
        connection.send(OK)
        ended.append(connection.read_to_end())

    backend.behave = behave
    gateway = start_with(Row(1, "own", f"http://127.0.0.1:{backend.port}", idle_connections=1))
    clients = [gateway.connect() for _ in range(3)]
    for client in clients:
        client.send(get(b"/own/a"))
    wait_for(lambda: len(arrived) == 3)
    for _ in clients:
        gate.release()
    assert [client.read_response().status for client in clients] == [200] * 3
    wait_for(lambda: len(ended) == 2)
