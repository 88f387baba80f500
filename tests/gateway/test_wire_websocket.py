"""WebSockets: admitted like any call, then two connections that pass on each other's bytes."""

import asyncio
import base64
import contextlib
import hashlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator

import msgspec
import pytest
import websockets
from websockets.sync.client import connect
from websockets.sync.server import Server, ServerConnection, serve

from gateway.configuration.snapshot import Subscription
from tests.gateway.certificates import write_pair
from tests.gateway.conftest import Gateway, echo_snapshot, free_port, wait_for
from tests.gateway.raw import OK, TIMEOUT_SECONDS, BackendConnection, Client, any_certificate

KEY = b"Ocp-Apim-Subscription-Key: K1\r\n"
NONCE = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
UPGRADE = b"Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
HANDSHAKE = UPGRADE + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + NONCE + b"\r\n"
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\n"
)


def get(target: bytes = b"/echo/a", lines: bytes = HANDSHAKE, key: bytes = KEY) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: api.test\r\n" + key + lines + b"\r\n"


def accept_and(then: Callable[[BackendConnection], object], lines: bytes = b"") -> Callable[[BackendConnection], None]:
    """A backend that accepts the handshake, and then does this with the connection."""

    def behave(connection: BackendConnection) -> None:
        connection.read_request()
        connection.send(SWITCHED + lines + b"\r\n")
        then(connection)

    return behave


def echo(connection: BackendConnection) -> None:
    while data := connection.buffer or connection.receive():
        connection.buffer = b""
        connection.send(data)
    connection.socket.shutdown(socket.SHUT_WR)


@pytest.fixture
def tunnel(gateway, backend) -> Client:
    """A WebSocket to a backend that sends all bytes back."""
    backend.behave = accept_and(echo)
    client = gateway.connect()
    assert client.ask(get()).status == 101
    return client


# -- The handshake -------------------------------------------------------------------------------


def test_a_handshake_arrives_with_its_fields_and_its_answer_comes_back(gateway, backend):
    backend.behave = accept_and(echo, b"Sec-WebSocket-Protocol: v12.stomp\r\nSec-WebSocket-Extensions: x; a=1\r\n")
    offers = b"Sec-WebSocket-Protocol: graphql-transport-ws, v12.stomp\r\nSec-WebSocket-Extensions: x, y\r\n"
    client = gateway.connect()
    answer = client.ask(get(b"/echo/shake?a=1&subscription-key=K1", HANDSHAKE + offers + b"Origin: http://x\r\n", b""))
    assert answer.head.startswith(b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: " + ACCEPT + b"\r\n")
    assert answer.header("Connection") == b"Upgrade"
    assert answer.header("Upgrade") == b"websocket"
    assert answer.header("Sec-WebSocket-Protocol") == b"v12.stomp"
    assert answer.header("Sec-WebSocket-Extensions") == b"x; a=1"
    lines = backend.connections[-1].log.split(b"\r\n")
    assert lines[0] == b"GET /base/shake?a=1 HTTP/1.1"
    wanted = (HANDSHAKE + offers).replace(UPGRADE, b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
    assert set(wanted.split(b"\r\n")) | {b"Origin: http://x"} <= set(lines)
    assert sum(line.lower().startswith((b"connection:", b"upgrade:")) for line in lines) == 2
    client.send(b"ping")
    assert client.read(4) == b"ping"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(get(key=b""), 401, id="no key"),
        pytest.param(get(b"/echo/a?subscription-key=wrong", key=b""), 401, id="wrong key"),
        pytest.param(get(b"/none"), 404, id="no API"),
    ],
)
def test_a_refusal_comes_instead_of_the_switch(request_, status, gateway, backend):
    client = gateway.connect()
    assert client.ask(request_).status == status
    assert backend.requests == []
    assert client.ask(get(lines=b"")).status == 200


def test_a_handshake_counts_as_one_call(gateway, start_gateway, backend):
    gateway = start_gateway()
    backend.behave = accept_and(echo)
    for key, refusal in ((b"K2", 429), (b"K3", 403)):
        key_line = b"Ocp-Apim-Subscription-Key: " + key + b"\r\n"
        for _ in range(2):
            client = gateway.connect()
            assert client.ask(get(key=key_line)).status == 101
            client.send(b"many" * 1000)
            client.read(4000)
        assert gateway.ask(get(key=key_line)).status == refusal
    assert [record.quota_calls for record in gateway.records()] == [None, None, None, 1, 2, None]
    gateway.hang_up()


def test_the_switch_tells_what_is_left(start_gateway, backend):
    gateway = start_gateway()
    backend.behave = accept_and(echo, b"RateLimit: its-own\r\n")
    answer = gateway.ask(get(key=b"Ocp-Apim-Subscription-Key: K2\r\n"))
    assert (answer.status, answer.all("RateLimit")) == (101, [b'"rate";r=1;t=3600'])
    gateway.hang_up()


def test_the_record_is_there_when_the_switch_is_seen(gateway, backend):
    backend.behave = accept_and(echo)
    assert gateway.ask(get(b"/echo/recorded")).status == 101
    (record,) = gateway.records()
    assert (record.response_code, record.backend_code, record.error_reason) == (101, 101, "")


def test_another_answer_to_a_handshake_is_an_ordinary_one(gateway, backend):
    backend.answer_with(b"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 12\r\nContent-Length: 2\r\n\r\nno")
    client = gateway.connect()
    for _ in range(2):
        answer = client.ask(get())
        assert (answer.status, answer.body, answer.header("Sec-WebSocket-Version")) == (426, b"no", b"12")
    backend.answer_with(OK)
    assert client.ask(get(lines=b"")).body == b"ok"


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        pytest.param(get(), SWITCHED.replace(ACCEPT, NONCE), id="wrong acceptance"),
        pytest.param(get(), SWITCHED.replace(b"Sec-WebSocket-Accept", b"X"), id="no acceptance"),
        pytest.param(get(), SWITCHED.replace(b"Upgrade: websocket", b"Upgrade: h2c"), id="another protocol"),
        pytest.param(get(), SWITCHED.replace(b"Upgrade: websocket\r\n", b""), id="no protocol"),
        pytest.param(get(), SWITCHED.replace(b"Connection: Upgrade\r\n", b""), id="no connection option"),
        pytest.param(get(lines=b""), SWITCHED, id="not asked for"),
        pytest.param(get(lines=HANDSHAKE.replace(b"WebSocket\r", b"h2c\r")), SWITCHED, id="asked for another protocol"),
        pytest.param(get(lines=HANDSHAKE.replace(b"Upgrade\r", b"close\r")), SWITCHED, id="asked without the option"),
        pytest.param(get(lines=HANDSHAKE.replace(NONCE, b"short")), SWITCHED, id="asked with a bad key"),
        pytest.param(get(lines=HANDSHAKE * 2), SWITCHED, id="asked with two keys"),
        pytest.param(get().replace(b"GET", b"POST", 1), SWITCHED, id="asked by POST"),
        pytest.param(get().replace(b"HTTP/1.1", b"HTTP/1.0", 1), SWITCHED, id="asked in HTTP/1.0"),
        pytest.param(get(lines=HANDSHAKE + b"Content-Length: 2\r\n") + b"ab", SWITCHED, id="asked with a body"),
        pytest.param(
            get(lines=HANDSHAKE + b"Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n", SWITCHED, id="asked with chunks"
        ),
    ],
)
def test_a_switch_that_was_not_asked_for_or_is_no_proper_one_is_a_502(request_, answer, gateway, backend):
    backend.answer_with(answer + b"\r\n")
    assert gateway.ask(request_).status == 502


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(
            get(lines=b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n"), id="h2c"
        ),
        pytest.param(get(lines=HANDSHAKE.replace(b"WebSocket\r", b"TLS/1.0\r")), id="TLS"),
        pytest.param(get(lines=UPGRADE), id="no key for the socket"),
        pytest.param(get().replace(b"HTTP/1.1", b"HTTP/1.0", 1), id="HTTP/1.0"),
        pytest.param(get(lines=HANDSHAKE + b"Content-Length: 2\r\n") + b"ab", id="a body"),
        pytest.param(get().replace(b"GET", b"POST", 1), id="POST"),
        pytest.param(
            get().replace(b"GET", b"POST", 1).replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\nab"),
            id="POST with a body",
        ),
    ],
)
def test_what_cannot_be_upgraded_goes_on_without_it(request_, gateway, backend):
    """The request behind it is the next request, for the gateway and for the backend."""
    client = gateway.connect()
    client.send(request_ + get(b"/echo/b", b"") * 2)
    assert [client.read_response().status for _ in range(3)] == [200] * 3
    assert b"pgrade" not in b"".join(backend.requests)
    assert [request.split(b" ")[1] for request in backend.requests] == [b"/base/a", b"/base/b", b"/base/b"]


def test_a_request_behind_a_handshake_waits_for_what_becomes_of_it(gateway, backend):
    """It is a request after a refusal, and the socket's bytes after the switch: nobody takes it for the other."""
    client = gateway.connect()
    client.send(get() + get(b"/echo/b", b""))
    assert [client.read_response().status for _ in range(2)] == [200, 200]
    assert [request.split(b" ")[1] for request in backend.requests] == [b"/base/a", b"/base/b"]
    backend.start_afresh()
    backend.behave = accept_and(echo)
    client = gateway.connect()
    client.send(get() + get(b"/echo/c", b""))
    assert client.read_response().status == 101
    assert client.read(len(get(b"/echo/c", b""))) == get(b"/echo/c", b"")
    assert len(backend.connections) == 1


# -- The bytes -----------------------------------------------------------------------------------


def test_bytes_pass_untouched_in_both_directions(tunnel):
    for data in (b"\x00", b"\r\n\r\n", get(), bytes(range(256)) * 100):
        tunnel.send(data)
        assert tunnel.read(len(data)) == data


def test_the_first_bytes_may_come_with_the_switch(gateway, backend):
    backend.behave = lambda connection: (connection.read_request(), connection.send(SWITCHED + b"\r\nhello"))
    client = gateway.connect()
    assert client.ask(get()).status == 101
    assert client.read(5) == b"hello"


def test_a_caller_that_has_ended_its_direction_is_sent_the_rest(tunnel):
    tunnel.send(b"last")
    tunnel.socket.shutdown(socket.SHUT_WR)
    assert tunnel.read_to_end() == b"last"


def test_a_backend_that_has_ended_its_direction_is_sent_the_rest(gateway, backend):
    got = []

    def end_and_read(connection: BackendConnection) -> None:
        connection.socket.shutdown(socket.SHUT_WR)
        got.append(connection.read_to_end())

    backend.behave = accept_and(end_and_read)
    client = gateway.connect()
    assert client.ask(get()).status == 101
    assert client.socket.recv(1) == b""
    client.send(b"last")
    client.socket.shutdown(socket.SHUT_WR)
    wait_for(lambda: got == [b"last"])


@pytest.mark.parametrize("way", ["close", "reset"])
@pytest.mark.parametrize("who", ["caller", "backend"])
def test_when_one_side_vanishes_the_other_is_hung_up(who, way, gateway, backend):
    ended = threading.Event()

    def behave(connection: BackendConnection) -> None:
        connection.send(b"hello")
        if who == "backend":
            connection.read(5)
            connection.reset() if way == "reset" else connection.close()
        else:
            connection.read_to_end()
            ended.set()

    backend.behave = accept_and(behave)
    client = gateway.connect()
    assert client.ask(get()).status == 101
    assert client.read(5) == b"hello"
    if who == "backend":
        client.send(b"hello")
        assert client.is_closed()
    else:
        client.reset() if way == "reset" else client.close()
        assert ended.wait(TIMEOUT_SECONDS)


@pytest.mark.parametrize("slow", ["caller", "backend"])
def test_the_slower_side_sets_the_pace(slow, gateway, backend):
    piece, pieces, sent = b"x" * 2**20, 192, []
    may_go_on = threading.Event()

    def fast(wire) -> None:
        with contextlib.suppress(OSError):
            for _ in range(pieces):
                wire.send(piece)
                sent.append(1)

    def read_all(wire) -> int:
        got = len(wire.buffer)
        while got < len(piece) * pieces and (data := wire.socket.recv(2**20)):
            got += len(data)
        return got

    got = []
    slow_backend = accept_and(lambda connection: (may_go_on.wait(TIMEOUT_SECONDS), got.append(read_all(connection))))
    backend.behave = slow_backend if slow == "backend" else accept_and(fast)
    client = gateway.connect()
    assert client.ask(get()).status == 101
    before = gateway.resident_bytes()
    if slow == "backend":
        threading.Thread(target=fast, args=(client,), daemon=True).start()
    wait_for(lambda: len(sent) > 2)
    assert len(sent) < pieces / 2, "nobody reads, so the other side must be held back"
    may_go_on.set()
    if slow == "caller":
        got.append(read_all(client))
    wait_for(lambda: got == [len(piece) * pieces])
    assert gateway.resident_bytes() - before < 20 * 2**20


# -- The end -------------------------------------------------------------------------------------


def test_a_socket_that_carries_nothing_is_closed_and_a_ping_keeps_it(start_gateway, backend):
    gateway = start_gateway(WEBSOCKET_IDLE_SECONDS=2)
    backend.behave = accept_and(echo)
    client, pace = gateway.connect(), threading.Event()
    assert client.ask(get()).status == 101
    for _ in range(15):
        pace.wait(0.2)
        client.send(b"\x89\x80abcd")
        assert client.read(6) == b"\x89\x80abcd"
    assert client.is_closed()
    wait_for(lambda: backend.connections[-1].receive() == b"")
    gateway.hang_up()


def test_sockets_may_go_on_for_as_long_as_calls_when_the_gateway_stops(start_gateway, backend):
    gateway = start_gateway(DRAIN_SECONDS=4)
    backend.behave = accept_and(echo)
    client = gateway.connect()
    assert client.ask(get()).status == 101
    gateway.process.terminate()
    gateway.wait_for_log("stopping")
    client.send(b"still")
    assert client.read(5) == b"still"
    assert client.is_closed()
    assert gateway.process.wait(TIMEOUT_SECONDS) == 0


def test_an_open_socket_counts_as_a_connection(start_gateway, backend):
    gateway = start_gateway(MAX_CONNECTIONS=5)
    backend.behave = accept_and(echo)
    clients = [gateway.connect() for _ in range(5)]
    assert [client.ask(get()).status for client in clients] == [101] * 5
    assert gateway.connect().read_response().status == 503
    for client in clients:
        client.close()
    backend.behave = backend.answer_each
    wait_for(lambda: gateway.ask(get(lines=b"")).status == 200)
    gateway.hang_up()


# -- A key that opens no more --------------------------------------------------------------------


def _another_key(subscription: Subscription) -> dict[str, object]:
    return {"keys": (), "old_keys": ((subscription.keys[0], time.time() - 1),)}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(lambda _: {"is_active": False}, id="suspended, or its owner blocked"),
        pytest.param(lambda _: {"expires_at": time.time()}, id="expired"),
        pytest.param(_another_key, id="replaced"),
        pytest.param(lambda _: {"product": 9}, id="another product"),
    ],
)
def test_a_socket_ends_with_its_key(changes, start_gateway, backend):
    configuration = echo_snapshot(f"http://127.0.0.1:{backend.port}/base")
    gateway = start_gateway(configuration)
    backend.behave = accept_and(echo)
    ending, bystander = gateway.connect(), gateway.connect()
    assert ending.ask(get()).status == 101
    assert bystander.ask(get(key=KEY.replace(b"K1", b"K3"))).status == 101
    first, *others = configuration.subscriptions
    changed = msgspec.structs.replace(first, **changes(first))
    gateway.reconfigure(msgspec.structs.replace(configuration, subscriptions=(changed, *others)))
    assert ending.is_closed()
    bystander.send(b"still")
    assert bystander.read(5) == b"still"
    gateway.hang_up()


def test_a_socket_that_was_opened_after_all_others_had_gone_ends_with_its_key(start_gateway, backend):
    configuration = echo_snapshot(f"http://127.0.0.1:{backend.port}/base")
    gateway = start_gateway(configuration)
    backend.behave = accept_and(echo)
    for _ in range(2):
        gone = gateway.connect()
        assert gone.ask(get()).status == 101
        gone.close()
    ending = gateway.connect()
    assert ending.ask(get()).status == 101
    first, *others = configuration.subscriptions
    suspended = msgspec.structs.replace(first, is_active=False)
    gateway.reconfigure(msgspec.structs.replace(configuration, subscriptions=(suspended, *others)))
    assert ending.is_closed()
    gateway.hang_up()


def test_an_answer_that_has_begun_goes_on_without_its_key(start_gateway, backend):
    configuration = echo_snapshot(f"http://127.0.0.1:{backend.port}/base")
    gateway = start_gateway(configuration)
    gone_on = threading.Event()

    def behave(connection: BackendConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        gone_on.wait(TIMEOUT_SECONDS)
        connection.send(b" part")

    backend.behave = behave
    client, socket_ = gateway.connect(), gateway.connect()
    client.send(get(lines=b""))
    client.read_until(b"first")
    backend.behave = accept_and(echo)
    assert socket_.ask(get()).status == 101
    gateway.reconfigure(msgspec.structs.replace(configuration, subscriptions=()))
    assert socket_.is_closed()
    gone_on.set()
    assert client.read(5) == b" part"
    gateway.hang_up()


# -- With another implementation -----------------------------------------------------------------

PATIENT = {"proxy": None, "open_timeout": TIMEOUT_SECONDS, "close_timeout": TIMEOUT_SECONDS, "ping_timeout": None}


def converse(connection: ServerConnection) -> None:
    """Echo messages; a text that is a number closes with that code."""
    with contextlib.suppress(websockets.ConnectionClosed):
        for message in connection:
            if isinstance(message, str) and message.isdigit():
                connection.close(int(message), "as you wish")
            else:
                connection.send(message)


@pytest.fixture(scope="module")
def websocket_gateway(start_gateway) -> Iterator[tuple[Gateway, Server]]:
    with serve(converse, "127.0.0.1", 0, subprotocols=["v2"], max_size=2**22) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield start_gateway(echo_snapshot(f"http://127.0.0.1:{server.socket.getsockname()[1]}")), server
        server.shutdown()


@pytest.fixture
def address(websocket_gateway) -> str:
    return f"ws://127.0.0.1:{websocket_gateway[0].port}/echo/chat?subscription-key=K1"


def test_messages_of_all_kinds_pass(address):
    with connect(address, subprotocols=["v1", "v2"], max_size=2**22, **PATIENT) as client:
        assert client.subprotocol == "v2"
        for message in ("text", "ä" * 1000, b"\x00\xff", b"x" * 2**20, "", b""):
            client.send(message)
            assert client.recv(TIMEOUT_SECONDS) == message
        assert client.ping().wait(TIMEOUT_SECONDS)
        client.send(["in ", "frag", "ments"])
        assert client.recv(TIMEOUT_SECONDS) == "in fragments"


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4999])
def test_close_codes_pass(code, address):
    with connect(address, subprotocols=["v2"], **PATIENT) as client:
        client.send(str(code))
        with pytest.raises(websockets.ConnectionClosed) as closed:
            client.recv(TIMEOUT_SECONDS)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, "as you wish")


async def converse_over_tls(start_gateway: Callable[..., Gateway], certificate: str, key: str) -> None:
    """TLS on both sides of the gateway.

    Each side reads and writes in one thread: a connection of OpenSSL is not for two, and hangs where
    one of them reads a session ticket while the other one writes.
    """

    async def repeat(connection: websockets.ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with websockets.serve(repeat, "127.0.0.1", 0, ssl=context, max_size=2**22) as server:
        gateway = start_gateway(
            echo_snapshot(f"https://localhost:{server.sockets[0].getsockname()[1]}"),
            GATEWAY_TLS_PORT=free_port(),
            GATEWAY_TLS_CERTIFICATES=f"{certificate}:{key}",
            SSL_CERT_FILE=certificate,
        )
        address = f"wss://127.0.0.1:{gateway.tls_port}/echo/chat?subscription-key=K1"
        for _ in range(10):
            async with websockets.connect(address, ssl=any_certificate(), max_size=2**22, **PATIENT) as client:
                for message in ("text", b"x" * 2**20, ""):
                    await client.send(message)
                    assert await asyncio.wait_for(client.recv(), TIMEOUT_SECONDS) == message
                await client.close(3000, "as you wish")
            assert client.close_code == 3000


def test_messages_pass_over_tls(start_gateway, tmp_path):
    certificate, _, key = write_pair(tmp_path / "pair", "localhost").partition(":")
    asyncio.run(converse_over_tls(start_gateway, certificate, key))


def test_a_handshake_without_a_key_fails_with_a_401(address):
    with pytest.raises(websockets.InvalidStatus) as refused:
        connect(address.partition("?")[0], subprotocols=["v2"], **PATIENT)
    assert refused.value.response.status_code == 401


def test_many_at_once(address):
    async def one(number: int) -> int:
        async with websockets.connect(address, subprotocols=["v2"], **PATIENT) as client:
            for message in range(20):
                text = f"{number} {message}" * 50
                await client.send(text)
                assert await client.recv() == text
        return client.close_code

    async def many() -> list[int]:
        return await asyncio.gather(*(one(number) for number in range(100)))

    assert asyncio.run(many()) == [1000] * 100


def test_the_sample_acceptance_is_that_of_rfc_6455():
    guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    assert base64.b64encode(hashlib.sha1(NONCE + guid).digest()) == ACCEPT
