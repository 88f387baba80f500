"""What goes wrong at the backend or the caller, and what the other side, and the record, see of it."""

import contextlib
import json
import socket
import threading

import msgspec
import pytest

from tests.gateway.conftest import echo_snapshot, wait_for
from tests.gateway.raw import OK, TIMEOUT_SECONDS, BackendConnection, Client

HEAD = b"Host: a\r\nOcp-Apim-Subscription-Key: K1\r\n"


def get(target: bytes, version: bytes = b"1.1") -> bytes:
    return b"GET " + target + b" HTTP/" + version + b"\r\n" + HEAD + b"\r\n"


def post(target: bytes, *lines: bytes, body: bytes = b"") -> bytes:
    return b"POST " + target + b" HTTP/1.1\r\n" + HEAD + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def read_and(*steps: bytes | str):
    """A backend that reads a request, sends these bytes, and then does "close", "reset" or "wait"."""

    def behave(connection: BackendConnection) -> None:
        connection.read_request()
        for step in steps:
            if isinstance(step, bytes):
                connection.send(step)
            elif step == "close":
                connection.close()
            elif step == "reset":
                connection.reset()
            else:
                connection.read_to_end()

    return behave


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FIELDS = b"".join(b"X: y\r\n" for _ in range(2000))


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(read_and("close"), id="closes without an answer"),
        pytest.param(read_and("reset"), id="resets without an answer"),
        pytest.param(read_and(b"HTTP/1.1 200 O", "close"), id="closes within the head"),
        pytest.param(read_and(b"SSH-2.0-OpenSSH\r\n\r\n"), id="is no HTTP server"),
        pytest.param(read_and(b"SSH-2.0-OpenSSH_9.2\r\n", "wait"), id="is no HTTP server and waits"),
        pytest.param(read_and(b"\x15\x03\x01\x00\x02\x02\x46", "wait"), id="speaks TLS"),
        pytest.param(read_and(b"HTTP/2.0 200 OK\r\n", "wait"), id="another version"),
        pytest.param(read_and(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "wait"), id="bare LF everywhere"),
        pytest.param(read_and(b"HTTP/1.1 103 Early\r\n\r\nnonsense", "wait"), id="nonsense after an interim answer"),
        pytest.param(read_and(b"HTTP/1.1 2000 OK\r\n\r\n"), id="status of four digits"),
        pytest.param(read_and(b"HTTP/1.1 200 OK\nContent-Length: 0\n\r\n\r\n"), id="bare LF"),
        pytest.param(read_and(b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n"), id="space before the colon"),
        pytest.param(read_and(b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"), id="folded line"),
        pytest.param(
            read_and(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), id="two lengths"
        ),
        pytest.param(
            read_and(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            id="length and coding",
        ),
        pytest.param(read_and(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"), id="unknown coding"),
        pytest.param(read_and(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n"), id="bad chunk"),
        pytest.param(read_and(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), id="changes the protocol"),
        pytest.param(read_and(b"HTTP/1.1 102 Processing\r\n\r\n" * 100), id="interim answers without end"),
        pytest.param(read_and(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 2**16 + b"\r\n\r\n", "wait"), id="long field"),
        pytest.param(read_and(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 2**16, "wait"), id="long field without an end"),
        pytest.param(read_and(b"HTTP/1.1 200 OK\r\n" + FIELDS + b"\r\n", "wait"), id="many fields"),
        pytest.param(read_and(b"HTTP/1.1 200 OK\r\n" + 5 * FIELDS + b"\r\n", "wait"), id="10,000 fields"),
        pytest.param(read_and(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 2**20 + b"\r\n\r\n", "wait"), id="1 MB in one field"),
        pytest.param(read_and(b"HTTP/1.1 103 Early\r\nX: " + b"y" * 2**20, "wait"), id="interim answer without an end"),
        pytest.param(read_and(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "wait"), id="negative length"),
        pytest.param(read_and(b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nab", "wait"), id="length with a sign"),
        pytest.param(read_and(b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nab", "wait"), id="length in hexadecimal"),
        pytest.param(read_and(b"HTTP/1.1 200 OK\r\nContent-Length: 2 2\r\n\r\nab", "wait"), id="length with a space"),
        pytest.param(read_and(b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nab", "wait"), id="empty length"),
        pytest.param(
            read_and(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\n", "wait"), id="huge length"
        ),
        pytest.param(read_and(b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", "wait"), id="null character"),
        pytest.param(read_and(b"HTTP/1.1 099 No\r\n\r\n", "wait"), id="status below 100"),
        pytest.param(read_and(CHUNKED + b"-1\r\na\r\n0\r\n\r\n", "wait"), id="negative chunk"),
        pytest.param(read_and(CHUNKED + b"1" * 17 + b"\r\n", "wait"), id="chunk too large to count"),
        pytest.param(read_and(CHUNKED + b"1\r\nabc\r\n0\r\n\r\n", "wait"), id="chunk longer than it says"),
        pytest.param(read_and(CHUNKED + b"1\na\r\n0\r\n\r\n", "wait"), id="chunk size ends in a bare LF"),
    ],
)
def test_a_backend_without_a_good_answer_is_a_502(behave, gateway, backend):
    backend.behave = behave
    client = gateway.connect()
    client.send(post(b"/echo/a", b"Content-Length: 2", body=b"ab"))
    while (answer := client.read_response()).status < 200:
        pass
    assert answer.status == 502
    error = json.loads(answer.body)
    assert error["statusCode"] == 502
    assert error["activityId"].encode() == answer.header("X-Request-Id")
    assert str(backend.port) not in answer.body.decode()
    backend.behave = backend.answer_each
    assert client.ask(get(b"/echo/a")).body == b"ok"


@pytest.mark.parametrize("api", [b"refusing", b"unknown"])
def test_a_backend_that_cannot_be_reached_is_a_502(api, gateway):
    client = gateway.connect()
    answer = client.ask(post(b"/" + api + b"/x", b"Content-Length: 2", body=b"ab"))
    assert answer.status == 502
    error = json.loads(answer.body)
    assert error.pop("activityId").encode() == answer.header("X-Request-Id")
    assert error == {"statusCode": 502, "message": "The backend service cannot be reached."}
    assert client.ask(get(b"/echo/a")).status == 200
    record = gateway.record(b"/" + api + b"/x")
    assert (record.error_source, record.error_reason) == ("forward-request", "BackendConnectionFailure")
    assert (record.response_code, record.backend_code) == (502, None)


def test_a_broken_policy_is_a_500_that_names_the_call(start_gateway, backend):
    snapshot = echo_snapshot(f"http://127.0.0.1:{backend.port}")
    broken = msgspec.structs.replace(snapshot.products[0], policy_is_broken=True)
    gateway = start_gateway(msgspec.structs.replace(snapshot, products=(broken, *snapshot.products[1:])))
    answer = gateway.ask(get(b"/echo/broken"))
    assert answer.body == (
        b'{ "statusCode": 500, "message": "Internal server error", "activityId": "%b" }' % answer.header("X-Request-Id")
    )
    assert gateway.record(b"/echo/broken").error_reason == "PolicyBroken"
    assert backend.requests == []
    gateway.hang_up()


def test_a_backend_that_does_not_answer_is_a_504(impatient, backend):
    backend.behave = read_and("wait")
    answer = impatient.ask(get(b"/echo/silent"))
    assert answer.status == 504
    assert json.loads(answer.body)["activityId"].encode() == answer.header("X-Request-Id")
    record = impatient.record(b"/echo/silent")
    assert (record.error_source, record.error_reason) == ("forward-request", "Timeout")


@pytest.mark.parametrize(
    "drop",
    [
        pytest.param(b"y", id="byte by byte"),
        pytest.param(b"\r\n\r\nHTTP/1.1 102 Processing\r\nX: ", id="interim answers"),
    ],
)
def test_a_head_that_comes_drop_by_drop_is_a_504(drop, impatient, backend):
    def drip(connection: BackendConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 102 Processing\r\nX: ")
        while True:
            threading.Event().wait(0.3)
            connection.send(drop)

    backend.behave = drip
    client = impatient.connect()
    client.send(get(b"/echo/a"))
    while (answer := client.read_response()).status < 200:
        pass
    assert answer.status == 504


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param((b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "close"), id="sized, closed after the head"),
        pytest.param((b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "close"), id="sized, closed"),
        pytest.param((b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "reset"), id="sized, reset"),
        pytest.param((CHUNKED, "close"), id="chunked, closed after the head"),
        pytest.param((CHUNKED + b"2\r\nab\r\n", "close"), id="chunked, closed between chunks"),
        pytest.param((CHUNKED + b"2\r\nab\r\n0\r\n", "close"), id="chunked, closed within the last chunk"),
        pytest.param((b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "wait"), id="sized, stalled"),
        pytest.param((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "close"), id="chunked, closed"),
        pytest.param((b"HTTP/1.1 200 OK\r\n\r\nab", "wait"), id="until the end, stalled"),
    ],
)
def test_an_answer_that_breaks_off_never_looks_whole(steps, impatient, backend):
    backend.behave = read_and(*steps)
    client = impatient.connect()
    client.send(get(b"/echo/a"))
    head, _, body = client.read_to_end().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"Content-Length: 5" in head or not body.endswith(b"0\r\n\r\n")
    assert len(body) < 5 or b"chunked" in head


def test_a_body_byte_by_byte_may_take_longer_than_the_time_out(impatient, backend):
    def drip(connection: BackendConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
        for byte in b"abcdefgh":
            threading.Event().wait(0.4)
            connection.send(bytes([byte]))

    backend.behave = drip
    assert impatient.ask(get(b"/echo/a")).body == b"abcdefgh"


def test_bad_chunks_later_in_an_answer_cut_it_off(gateway, backend):
    may_go_on = threading.Event()

    def behave(connection: BackendConnection) -> None:
        connection.read_request()
        connection.send(CHUNKED + b"2\r\nab\r\n")
        may_go_on.wait(TIMEOUT_SECONDS)
        connection.send(b"zz\r\n0\r\n\r\n")
        connection.read_to_end()

    backend.behave = behave
    client = gateway.connect()
    client.send(get(b"/echo/a"))
    client.read_until(b"2\r\nab\r\n")
    may_go_on.set()
    assert client.read_to_end() == b""


def test_an_http_1_0_caller_sees_a_broken_answer_by_a_reset(impatient, backend):
    backend.behave = read_and(b"HTTP/1.1 200 OK\r\n\r\nab", "wait")
    client = impatient.connect()
    client.send(get(b"/echo/a", b"1.0"))
    client.read_until(b"ab")
    with pytest.raises(ConnectionResetError):
        client.socket.recv(1)


def test_a_connection_that_the_backend_closed_while_idle_is_not_used(client, backend):
    for _ in range(3):
        assert client.ask(post(b"/echo/a", b"Content-Length: 0")).status == 200
        backend.hang_up()
    assert len(backend.requests) == 3


def answer_only_once(backend, *, for_good: bool):
    """A backend that reads the second request of its first connection, or of any, and closes without an answer."""
    answered = []

    def behave(connection: BackendConnection) -> None:
        if for_good and answered:
            backend.take(connection)
        elif answered:
            backend.answer_each(connection)
        else:
            backend.take(connection)
            answered.append(connection)
            connection.send(OK)
            backend.take(connection)
        connection.close()

    return behave


@pytest.mark.parametrize(
    ("method", "status", "arrivals"), [("GET", 200, 3), ("PUT", 200, 3), ("POST", 502, 2), ("PATCH", 502, 2)]
)
def test_only_what_may_be_done_twice_is_sent_again(method, status, arrivals, client, backend):
    backend.behave = answer_only_once(backend, for_good=False)
    request = post(b"/echo/a", b"Content-Length: 2", body=b"ab").replace(b"POST", method.encode(), 1)
    assert client.ask(request).status == 200
    assert client.ask(request).status == status
    assert backend.bodies == [b"ab"] * arrivals


def test_nothing_is_sent_a_third_time(client, backend):
    backend.behave = answer_only_once(backend, for_good=True)
    assert client.ask(get(b"/echo/a")).status == 200
    assert client.ask(get(b"/echo/a")).status == 502
    assert len(backend.requests) == 3


@pytest.mark.parametrize("way", [b"reset", b"close"])
def test_a_caller_that_leaves_ends_the_call_at_the_backend(way, gateway, backend):
    seen = []

    def behave(connection: BackendConnection) -> None:
        seen.append(connection.read_request())
        seen.append(connection.read_to_end())

    backend.behave = behave
    client = gateway.connect()
    client.send(get(b"/echo/leaves-by-" + way))
    wait_for(lambda: len(seen) == 1)
    client.reset() if way == b"reset" else client.socket.close()
    wait_for(lambda: len(seen) == 2)
    record = gateway.record(b"/echo/leaves-by-" + way)
    assert (record.error_source, record.error_reason) == ("client", "ClientConnectionFailure")
    assert record.response_code == 0


@pytest.mark.parametrize(("version", "continues"), [(b"1.1", 2), (b"1.0", 0)])
def test_a_caller_that_closes_its_half_is_waited_for(version, continues, client, backend):
    may_answer = threading.Event()

    def behave(connection: BackendConnection) -> None:
        backend.take(connection)
        may_answer.wait(TIMEOUT_SECONDS if continues else 5)
        connection.send(OK)

    backend.behave = behave
    client.send(get(b"/echo/a", version))
    client.socket.shutdown(socket.SHUT_WR)
    for _ in range(continues):
        assert client.read_response().head == b"HTTP/1.1 100 Continue\r\n\r\n"
        wait_for(lambda: len(backend.requests) == 1)
    if continues:
        may_answer.set()
    assert client.read_response().body == b"ok"
    assert client.is_closed()


def test_a_caller_that_leaves_within_the_answer_is_recorded_with_its_code(gateway, backend):
    backend.behave = read_and(b"HTTP/1.1 206 Partial\r\nContent-Length: 9\r\n\r\nab", "wait")
    client = gateway.connect()
    client.send(get(b"/echo/leaves-later"))
    client.read_until(b"ab")
    client.reset()
    record = gateway.record(b"/echo/leaves-later")
    assert (record.response_code, record.backend_code, record.error_reason) == (206, 206, "ClientConnectionFailure")


@pytest.mark.parametrize("way", ["reset", "close"])
@pytest.mark.parametrize("during", ["upload", "download"])
def test_a_caller_that_leaves_within_a_body_ends_the_call_at_the_backend(during, way, gateway, backend):
    begun, ended, got = threading.Event(), threading.Event(), []

    def behave(connection: BackendConnection) -> None:
        got.append(connection.read_until(b"begin"))
        begun.set()
        with contextlib.suppress(OSError):
            if during == "download":
                connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
            while during == "download":
                connection.send(b"x" * 2**16)
        got.append(connection.read_to_end())
        ended.set()

    backend.behave = behave
    client = gateway.connect()
    target = f"/echo/leaves-{during}-by-{way}".encode()
    if during == "upload":
        client.send(post(target, b"Transfer-Encoding: chunked", body=b"5\r\nbegin\r\n"))
    else:
        client.send(post(target, b"Content-Length: 5", body=b"begin"))
    assert begun.wait(TIMEOUT_SECONDS)
    client.reset() if way == "reset" else client.close()
    assert ended.wait(TIMEOUT_SECONDS)
    assert b"0\r\n\r\n" not in b"".join(got)
    assert gateway.record(target).error_reason == "ClientConnectionFailure"


def test_a_caller_that_closes_its_half_within_a_request_has_left(gateway, backend):
    client = gateway.connect()
    client.send(post(b"/echo/half", b"Content-Length: 10", body=b"12345"))
    client.socket.shutdown(socket.SHUT_WR)
    assert client.is_closed()
    record = gateway.record(b"/echo/half")
    assert (record.response_code, record.error_reason) == (0, "ClientConnectionFailure")
    assert backend.requests == []


def test_an_answer_before_the_end_of_the_upload_is_passed_on(gateway, backend):
    def behave(connection: BackendConnection) -> None:
        connection.read_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")

    backend.behave = behave
    client = gateway.connect()
    client.send(post(b"/echo/a", b"Content-Length: 1000000", body=b"x" * 1000))
    answer = client.read_response()
    assert (answer.status, answer.body, answer.header("Connection")) == (403, b"no", b"close")
    client.send(b"x" * 10_000)
    assert client.is_closed()


def test_an_early_answer_arrives_although_the_backend_hangs_up_on_the_upload(gateway, backend):
    is_read = threading.Event()

    def behave(connection: BackendConnection) -> None:
        connection.read_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
        connection.socket.shutdown(socket.SHUT_WR)
        # To close with bytes unread would reset the connection, and might take the answer along.
        is_read.wait(TIMEOUT_SECONDS)
        connection.close()

    backend.behave = behave
    client = gateway.connect()
    upload = threading.Thread(
        target=send_quietly, args=(client, post(b"/echo/a", b"Content-Length: 8388608", body=b"x" * 2**23))
    )
    upload.start()
    answer = client.read_response()
    assert (answer.status, answer.body) == (413, b"no")
    is_read.set()
    client.close()
    upload.join(TIMEOUT_SECONDS)


def send_quietly(client: Client, data: bytes) -> None:
    with contextlib.suppress(OSError):
        client.send(data)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"GET /ec", id="request line"),
        pytest.param(get(b"/echo/a")[:-2], id="end of the head"),
    ],
)
def test_a_slow_head_is_a_408(payload, impatient):
    client = impatient.connect()
    client.send(payload)
    assert client.read_response().status == 408
    assert client.is_closed()


def test_a_slow_body_is_a_408_and_the_backend_sees_no_whole_body(impatient, backend):
    client = impatient.connect()
    client.send(post(b"/echo/slow", b"Content-Length: 10", body=b"12345"))
    answer = client.read_response()
    assert (answer.status, answer.header("Connection")) == (408, b"close")
    assert client.is_closed()
    assert backend.requests == []
    assert impatient.record(b"/echo/slow").error_reason == "ClientConnectionFailure"


def test_an_idle_connection_is_closed_without_a_word(impatient):
    client = impatient.connect()
    assert client.ask(get(b"/echo/a")).status == 200
    assert client.is_closed()


def test_a_connection_that_never_says_a_word_is_closed(impatient):
    assert impatient.connect().is_closed()


@pytest.fixture(scope="module")
def module_limited(start_gateway):
    return start_gateway(REQUEST_BODY_LIMIT_BYTES=100_000, MAX_CONNECTIONS=20)


@pytest.fixture
def limited(module_limited, backend):
    yield module_limited
    module_limited.settle()


def test_a_length_over_the_limit_is_a_413_before_the_body_is_read(limited, backend):
    client = limited.connect()
    answer = client.ask(post(b"/echo/a", b"Content-Length: 100001"))
    assert (answer.status, answer.header("Connection")) == (413, b"close")
    assert backend.requests == []
    assert limited.ask(post(b"/echo/a", b"Content-Length: 100000", body=b"x" * 100_000)).status == 200


def test_chunks_over_the_limit_are_a_413_and_the_backend_sees_no_whole_body(limited, backend):
    client = limited.connect()
    client.send(post(b"/echo/a", b"Transfer-Encoding: chunked"))
    for _ in range(11):
        client.send(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
    assert client.read_response().status == 413
    client.read_to_end()
    assert backend.requests == []


def test_who_is_turned_away_takes_nobodys_place(start_gateway, backend):
    gateway = start_gateway(MAX_CONNECTIONS=3)
    clients = [gateway.connect() for _ in range(3)]
    assert clients[-1].ask(get(b"/echo/a")).status == 200
    assert [gateway.connect().read_response().status for _ in range(3)] == [503] * 3
    clients[0].close()
    # Each that is turned away stays for a while, to read why: the next one comes sooner.
    wait_for(lambda: gateway.ask(get(b"/echo/a")).status == 200)
    gateway.hang_up()


def test_connections_beyond_the_limit_get_a_503(limited):
    clients = [limited.connect() for _ in range(20)]
    assert clients[-1].ask(get(b"/echo/a")).status == 200
    one_more = limited.connect()
    assert one_more.read_response().status == 503
    assert one_more.is_closed()
    assert [client.ask(get(b"/echo/a")).status for client in clients[-3:]] == [200] * 3, "the others are unharmed"
    limited.hang_up()
    wait_for(lambda: limited.ask(get(b"/echo/a")).status == 200)
