"""Bodies flow through: none is gathered up, and the slower side sets the pace."""

import contextlib
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

import pytest

from tests.gateway.conftest import echo_snapshot, wait_for
from tests.gateway.raw import TIMEOUT_SECONDS, Backend, BackendConnection

HEAD = b" /echo/a HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: K1\r\n"
PIECE = b"x" * 2**20
PIECES = 192
SIZE = len(PIECE) * PIECES
GROWTH_BYTES = 20 * 2**20
T = TypeVar("T")


def read_body(wire, size: int) -> int:
    """Read so much of the large body, not keeping it; of all that passes only it has an x."""
    got, wire.buffer = wire.buffer.count(b"x"), b""
    while got < size and (data := wire.socket.recv(2**20)):
        got += data.count(b"x")
    return got


def in_background(work) -> threading.Thread:
    def run() -> None:
        with contextlib.suppress(OSError):
            work()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("is_chunked", [False, True], ids=["sized", "chunked"])
def test_a_large_upload_streams_and_waits_for_the_backend(is_chunked, gateway, backend):
    started, may_go_on, got = threading.Event(), threading.Event(), []

    def behave(connection: BackendConnection) -> None:
        connection.read_until(b"x")
        started.set()
        may_go_on.wait(TIMEOUT_SECONDS)
        got.append(1 + read_body(connection, SIZE - 1))
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    backend.behave = behave
    client = gateway.connect()
    piece = b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if is_chunked else PIECE
    client.send(b"POST" + HEAD)
    client.send(b"Transfer-Encoding: chunked\r\n\r\n" if is_chunked else b"Content-Length: %d\r\n\r\n" % (SIZE))
    client.send(piece)
    assert started.wait(TIMEOUT_SECONDS), "the backend must see the first byte before the last is sent"
    before = gateway.resident_bytes()
    sent = []
    sender = in_background(lambda: [sent.append(client.send(piece)) for _ in range(PIECES - 1)])
    wait_for(lambda: len(sent) > 2)
    assert len(sent) < PIECES / 2, "nobody reads, so the caller must be held back"
    may_go_on.set()
    sender.join(TIMEOUT_SECONDS)
    if is_chunked:
        client.send(b"0\r\n\r\n")
    assert client.read_response().status == 200
    assert got == [SIZE]
    assert gateway.resident_bytes() - before < GROWTH_BYTES


@pytest.mark.parametrize("framing", ["sized", "chunked", "until the end"])
def test_a_large_answer_streams_and_waits_for_the_caller(framing, gateway, backend):
    sent = []
    head = {
        "sized": b"Content-Length: %d\r\n\r\n" % (SIZE),
        "chunked": b"Transfer-Encoding: chunked\r\n\r\n",
        "until the end": b"\r\n",
    }[framing]
    piece = b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if framing == "chunked" else PIECE

    def behave(connection: BackendConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\n" + head)
        for _ in range(PIECES):
            connection.send(piece)
            sent.append(1)
        if framing == "chunked":
            connection.send(b"0\r\n\r\n")
        connection.close()

    backend.behave = behave
    client = gateway.connect()
    client.send(b"GET" + HEAD + b"\r\n")
    client.read_until(b"\r\n\r\n")
    before = gateway.resident_bytes()
    wait_for(lambda: len(sent) > 2)
    assert len(sent) < PIECES / 2, "the caller does not read, so the backend must be held back"
    assert read_body(client, SIZE) == SIZE
    assert gateway.resident_bytes() - before < GROWTH_BYTES


@pytest.mark.parametrize("framing", ["sized", "chunked", "until the end"])
def test_each_event_arrives_before_the_next_one_is_sent(framing, client, backend):
    events = [b"data: %d\n\n" % number for number in range(20)]
    has_read = threading.Semaphore(0)
    head = {
        "sized": b"Content-Length: %d\r\n" % sum(map(len, events)),
        "chunked": b"Transfer-Encoding: chunked\r\n",
        "until the end": b"",
    }[framing]

    def behave(connection: BackendConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + head + b"\r\n")
        for event in events:
            connection.send(b"%x\r\n%b\r\n" % (len(event), event) if framing == "chunked" else event)
            assert has_read.acquire(timeout=TIMEOUT_SECONDS)
        connection.send(b"0\r\n\r\n" if framing == "chunked" else b"")
        connection.close()

    backend.behave = behave
    client.send(b"GET" + HEAD + b"Accept: text/event-stream\r\n\r\n")
    for event in events:
        client.read_until(event)
        has_read.release()
    if framing != "sized":
        client.read_until(b"0\r\n\r\n")


def test_a_stream_that_says_something_now_and_then_is_not_cut(impatient, backend):
    """It takes longer than every time-out; each comment begins the backend's anew."""

    def behave(connection: BackendConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in paced(range(30)):
            connection.send(b"2\r\n:\n\r\n")
        connection.send(b"0\r\n\r\n")

    backend.behave = behave
    assert impatient.ask(b"GET" + HEAD + b"\r\n").body == b":\n" * 30


def test_a_caller_that_stops_reading_is_given_up(impatient, backend):
    def behave(connection: BackendConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * len(PIECE)))
        for _ in range(64):
            connection.send(PIECE)

    backend.behave = behave
    client = impatient.connect()
    client.send(b"GET" + HEAD.replace(b"/a ", b"/stalls ") + b"\r\n")
    record = impatient.record(b"/echo/stalls")
    assert (record.response_code, record.error_reason) == (200, "ClientConnectionFailure")


def paced(pieces: Iterable[T]) -> Iterator[T]:
    """Ten a second: all together they take longer than the time-out, and each much less."""
    pace = threading.Event()
    for piece in pieces:
        pace.wait(0.1)
        yield piece


@pytest.mark.parametrize("connection", [b"keep-alive", b"close"])
def test_a_caller_that_reads_slowly_but_steadily_gets_all(connection, start_gateway, backend):
    gateway = start_gateway(BODY_TIMEOUT_SECONDS=2)
    backend.answer_with(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (8 * len(PIECE)) + 8 * PIECE)
    client = gateway.connect()
    client.send(b"GET" + HEAD + b"Connection: " + connection + b"\r\n\r\n")
    client.read_until(b"\r\n\r\n")
    for _ in paced(range(32)):
        client.read(len(PIECE) // 4)
    gateway.hang_up()


def answer_within_the_upload(connection: BackendConnection) -> None:
    connection.read_until(b"0123456789")
    threading.Thread(target=connection.read_until, args=(b"end",), daemon=True).start()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (16 * len(PIECE)))
    for _ in range(16):
        connection.send(PIECE)


def test_a_caller_that_reads_slowly_behind_its_upload_is_not_the_backends_fault(start_gateway, backend):
    gateway = start_gateway(BACKEND_TIMEOUT_SECONDS=2)
    backend.behave = answer_within_the_upload
    client = gateway.connect()
    client.send(b"POST" + HEAD + b"Content-Length: 13\r\n\r\n0123456789")
    client.read_until(b"\r\n\r\n")
    for number in paced(range(30)):
        if number == 3:
            client.send(b"end")
    assert read_body(client, 16 * len(PIECE)) == 16 * len(PIECE)
    gateway.hang_up()


def test_a_caller_that_stops_reading_behind_its_upload_is_given_up(start_gateway, backend):
    gateway = start_gateway(BODY_TIMEOUT_SECONDS=2)
    backend.behave = answer_within_the_upload
    client = gateway.connect()
    client.send(b"POST" + HEAD + b"Content-Length: 13\r\n\r\n0123456789")
    client.read_until(b"\r\n\r\n")
    for _ in paced(range(2)):
        pass
    client.send(b"end")
    assert gateway.record(b"/echo/a").error_reason == "ClientConnectionFailure"
    gateway.hang_up()


@pytest.mark.parametrize("is_chunked", [False, True], ids=["sized", "chunked"])
def test_a_backend_that_reads_slowly_but_steadily_gets_all(is_chunked, start_gateway):
    def behave(connection: BackendConnection) -> None:
        connection.read_until(b"\r\n\r\n")
        for _ in paced(range(32)):
            connection.read(len(PIECE) // 4)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    # What lies in the backend's kernel counts as read.
    backend = Backend(receive_buffer_bytes=2**16)
    backend.behave = behave
    gateway = start_gateway(echo_snapshot(f"http://127.0.0.1:{backend.port}"), BACKEND_TIMEOUT_SECONDS=2)
    client = gateway.connect()
    body = 8 * PIECE
    framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if is_chunked else body
    framing = b"Transfer-Encoding: chunked" if is_chunked else b"Content-Length: %d" % len(body)
    client.send(b"POST" + HEAD + framing + b"\r\n\r\n" + framed)
    assert client.read_response().status == 200
    gateway.hang_up()
    backend.close()


def test_a_backend_that_stops_reading_is_a_504(start_gateway, backend):
    backend.behave = lambda connection: connection.read_until(b"x") and threading.Event().wait(TIMEOUT_SECONDS)
    gateway = start_gateway(BACKEND_TIMEOUT_SECONDS=0.4)
    client = gateway.connect()
    client.send(b"POST" + HEAD + b"Content-Length: %d\r\n\r\n" % (SIZE))
    client.send(PIECE)
    in_background(lambda: [client.send(PIECE) for _ in range(PIECES - 1)])
    assert client.read_response().status == 504
    gateway.hang_up()


def test_request_and_answer_can_flow_at_the_same_time(client, backend):
    def behave(connection: BackendConnection) -> None:
        connection.read_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(5):
            connection.send(b"1\r\n" + connection.read(6)[3:4] + b"\r\n")
        connection.read(5)
        connection.send(b"0\r\n\r\n")

    backend.behave = behave
    client.send(b"POST" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    client.read_until(b"\r\n\r\n")
    for byte in b"abcde":
        client.send(b"1\r\n%c\r\n" % byte)
        assert client.read_until(b"1\r\n%c\r\n" % byte)
    client.send(b"0\r\n\r\n")
    assert client.read(5) == b"0\r\n\r\n"


def test_answers_that_nobody_reads_do_not_pile_up(gateway):
    client = gateway.connect()
    before = gateway.resident_bytes()
    flood = in_background(lambda: [client.send(b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n" * 10_000) for _ in range(100)])
    flood.join(2)
    assert flood.is_alive(), "who does not read must be held back"
    assert gateway.resident_bytes() - before < GROWTH_BYTES
    assert client.read_response().status == 404
    assert sum(client.read_response().status == 404 for _ in range(20_000)) == 20_000
    client.socket.shutdown(2)
    flood.join(TIMEOUT_SECONDS)
