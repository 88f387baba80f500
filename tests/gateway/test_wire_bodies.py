"""Request bodies that are too large for their API, or come too slowly."""

import contextlib
import select
import threading

import msgspec
import pytest

from gateway.calls.pace import Pace
from tests.gateway.conftest import echo_snapshot
from tests.gateway.raw import TIMEOUT_SECONDS, BackendConnection

KEY = b"Host: a\r\nOcp-Apim-Subscription-Key: K1\r\n"


def post(target: bytes, *lines: bytes) -> bytes:
    return b"POST " + target + b" HTTP/1.1\r\n" + KEY + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def sized(target: bytes, size: int) -> bytes:
    return post(target, b"Content-Length: %d" % size)


@pytest.fixture(scope="module")
def module_gateway(start_gateway, session_backend):
    """At most 1000 bytes to `echo`, 4000 to `large`, none to `nothing`, and elsewhere 2000."""
    url = f"http://127.0.0.1:{session_backend.port}"
    snapshot = echo_snapshot(url, large=url, nothing=url, other=url)
    limits = {"echo": 1000, "large": 4000, "nothing": 0}
    apis = tuple(msgspec.structs.replace(api, request_body_limit_bytes=limits.get(api.path)) for api in snapshot.apis)
    return start_gateway(msgspec.structs.replace(snapshot, apis=apis), REQUEST_BODY_LIMIT_BYTES=2000)


@pytest.fixture
def gateway(module_gateway, backend):
    yield module_gateway
    module_gateway.hang_up()


@pytest.mark.parametrize(
    ("target", "limit"), [(b"/echo/a", 1000), (b"/large/a", 4000), (b"/nothing/a", 0), (b"/other/a", 2000)]
)
def test_a_length_over_the_apis_limit_is_refused_before_the_body_is_read(target, limit, gateway, backend):
    assert gateway.ask(sized(target, limit) + b"x" * limit).status == 200
    client = gateway.connect()
    answer = client.ask(post(target, b"Content-Length: %d" % (limit + 1), b"Expect: 100-continue"))
    assert (answer.status, answer.header("Connection")) == (413, b"close")
    assert backend.bodies == [b"x" * limit]


def test_chunks_over_the_apis_limit_are_cut_and_the_backend_sees_a_broken_body(gateway, backend):
    client = gateway.connect()
    client.send(post(b"/echo/a", b"Transfer-Encoding: chunked"))
    piece = b"190\r\n" + b"x" * 400 + b"\r\n"
    for _ in range(3):
        client.send(piece)
    assert client.read_response().status == 413
    client.read_to_end()
    assert backend.requests == []
    assert not backend.connections or b"\r\n0\r\n" not in backend.connections[0].log


def test_a_request_after_one_to_another_api_has_that_ones_limit(gateway):
    client = gateway.connect()
    for target, size, status in ((b"/large/a", 4000, 200), (b"/echo/a", 1000, 200), (b"/echo/a", 1001, 413)):
        assert client.ask(sized(target, size) + b"x" * size).status == status


@pytest.mark.parametrize(
    ("now", "received", "deadline"),
    [
        pytest.param(100, 0, 105, id="nothing yet"),
        pytest.param(104, 1000, 105, id="within the grace"),
        pytest.param(104, 2400, 110, id="ahead"),
        pytest.param(109, 2400, 110, id="ahead, but not for ever"),
        pytest.param(104, 10**9, 164, id="far ahead: no pause may be too long"),
    ],
)
def test_a_body_has_to_come_by(now, received, deadline):
    pace = Pace(60, 240)
    pace.begin(100)
    assert pace.deadline(now, received) == deadline


def test_time_in_which_nothing_is_read_does_not_count():
    pace = Pace(60, 240)
    pace.pause(90)
    pace.begin(100)
    pace.resume(101)
    pace.pause(103)
    pace.resume(133)
    assert pace.deadline(133, 0) == 136


def test_without_a_minimum_only_pauses_count():
    assert Pace(60, 0).deadline(1000, 1) == 1060


def test_a_body_that_trickles_in_is_a_408_but_not_one_that_the_backend_holds_up(start_gateway, backend):
    """Neither ever pauses for long. The minimum is so high that only the grace is left."""
    may_read, taken = threading.Event(), []
    size = 24 * 2**20  # More than the kernel holds between the three of them.

    def behave(connection: BackendConnection) -> None:
        head = connection.read_until(b"\r\n\r\n")
        if b"/held" in head:
            may_read.wait(TIMEOUT_SECONDS)
            taken.append(len(connection.buffer))
            while taken[0] < size:
                taken[0] += len(connection.socket.recv(2**20))
        else:
            connection.read(10_000)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    backend.behave = behave
    gateway = start_gateway(BODY_MINIMUM_BYTES_PER_SECOND=10**9, BACKEND_TIMEOUT_SECONDS=60)
    held, trickling = gateway.connect(), gateway.connect()
    held.send(sized(b"/echo/held", size))
    sender = threading.Thread(target=held.send, args=(b"x" * size,), daemon=True)
    sender.start()
    trickling.send(sized(b"/echo/trickling", 10_000))
    trickling.socket.settimeout(0.2)
    with contextlib.suppress(ConnectionError):
        while not trickling.buffer:
            trickling.send(b"x")
            with contextlib.suppress(TimeoutError):
                trickling.buffer += trickling.socket.recv(2**16)
    assert trickling.read_response().status == 408
    assert gateway.record(b"/echo/trickling").error_reason == "ClientConnectionFailure"
    readable, _, _ = select.select([held.socket], [], [], 1)
    assert readable == [], "the gateway holds it up, so its time does not run"
    may_read.set()
    assert held.read_response().status == 200
    assert taken == [size]
    sender.join(TIMEOUT_SECONDS)
    gateway.hang_up()
