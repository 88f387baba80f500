"""Callers who come over TLS."""

import contextlib
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest
from msgspec.structs import replace

from tests.gateway.certificates import make_certificate, write_pair
from tests.gateway.conftest import ROOT, Gateway, echo_snapshot, free_port, wait_for
from tests.gateway.raw import TIMEOUT_SECONDS, Backend, BackendConnection, Client, Closed, TLSClient, any_certificate

CALL = b"GET /echo/a HTTP/1.1\r\nHost: api.test\r\nOcp-Apim-Subscription-Key: K1\r\n\r\n"


def der_of(pair: str) -> bytes:
    with open(pair.partition(":")[0]) as file:
        return ssl.PEM_cert_to_DER_cert(file.read())


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> list[str]:
    directory = tmp_path_factory.mktemp("certificates")
    return [
        write_pair(directory / "first", "api.test"),
        write_pair(directory / "second", "*.apps.test", "other.test"),
    ]


@pytest.fixture(scope="module")
def module_gateway(start_gateway, pairs) -> Gateway:
    return start_gateway(GATEWAY_TLS_PORT=free_port(), GATEWAY_TLS_CERTIFICATES=",".join(pairs))


@pytest.fixture
def gateway(module_gateway: Gateway, backend: Backend):
    yield module_gateway
    module_gateway.settle()


@pytest.fixture(scope="module")
def module_impatient(start_gateway, pairs) -> Gateway:
    return start_gateway(
        GATEWAY_TLS_PORT=free_port(),
        GATEWAY_TLS_CERTIFICATES=pairs[0],
        HEAD_TIMEOUT_SECONDS=2,
        BODY_TIMEOUT_SECONDS=2,
    )


@pytest.fixture
def impatient(module_impatient: Gateway, backend: Backend):
    """A gateway with short time-outs."""
    yield module_impatient
    module_impatient.settle()


def test_calls_over_one_connection(gateway, backend):
    client = gateway.connect_tls()
    for _ in range(3):
        assert client.ask(CALL).body == b"ok"
    assert len(backend.requests) == 3
    assert b"\r\nX-Forwarded-Proto: https\r\n" in backend.requests[0]
    assert b"\r\nX-Forwarded-For: 127.0.0.1\r\n" in backend.requests[0]


def test_the_challenge_names_https(gateway):
    answer = gateway.connect_tls().ask(CALL.replace(b"K1", b"K9"))
    assert answer.status == 401
    assert b'realm="https://api.test/echo"' in answer.header("WWW-Authenticate")


def test_an_api_for_https_alone_answers_there_alone(start_gateway, pairs, backend):
    snapshot = echo_snapshot(f"http://127.0.0.1:{backend.port}/base")
    snapshot = replace(snapshot, apis=tuple(replace(api, schemes=("https",)) for api in snapshot.apis))
    gateway = start_gateway(snapshot, GATEWAY_TLS_PORT=free_port(), GATEWAY_TLS_CERTIFICATES=pairs[0])
    assert gateway.ask(CALL).status == 404
    assert gateway.connect_tls().ask(CALL).status == 200


@pytest.mark.parametrize(
    ("name", "number"),
    [
        pytest.param(None, 0, id="no name"),
        pytest.param("api.test", 0, id="the first's"),
        pytest.param("other.test", 1, id="the second's"),
        pytest.param("one.apps.test", 1, id="by wildcard"),
        pytest.param("elsewhere.test", 0, id="nobody's"),
    ],
)
def test_the_certificate_is_that_of_the_name_asked_for(name, number, gateway, pairs):
    assert gateway.connect_tls(name).certificate == der_of(pairs[number])


def test_old_versions_of_tls_are_refused(gateway):
    context = any_certificate()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.deprecated_call():
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        gateway.connect_tls(context=context)
    assert gateway.connect_tls().ask(CALL).status == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_http_1_1_is_agreed_upon(version, gateway):
    context = any_certificate()
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    client = gateway.connect_tls(context=context)
    assert client.socket.selected_alpn_protocol() == "http/1.1"
    assert client.ask(CALL).status == 200


def test_plain_http_at_the_port_for_tls_is_told_so(gateway):
    client = gateway.connect(gateway.tls_port)
    answer = client.ask(CALL)
    assert answer.status == 400
    assert b"HTTPS" in answer.body
    assert client.is_closed()


def test_tls_at_the_port_for_plain_http_is_refused(gateway):
    client = gateway.connect()
    client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2)
    assert client.read_response().status == 400
    assert client.read_to_end() == b""


def test_noise_instead_of_a_handshake_harms_nobody(gateway):
    other = gateway.connect_tls()
    assert other.ask(CALL).status == 200
    for noise in (b"\x16", b"\x16\x03\x01\xff\xff" + b"x" * 70_000, b"\x16\x03\x01\x00\x05hello"):
        client = gateway.connect(gateway.tls_port)
        client.send(noise)
        client.read_to_end()
        client.close()
    assert other.ask(CALL).status == 200


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01"], ids=["silent", "half a handshake"])
def test_who_does_not_finish_the_handshake_is_hung_up_on(sent, impatient):
    client = impatient.connect(impatient.tls_port)
    client.send(sent)
    assert client.is_closed()


def test_half_open_handshakes_count_as_connections(start_gateway, pairs, backend):
    gateway = start_gateway(
        GATEWAY_TLS_PORT=free_port(), GATEWAY_TLS_CERTIFICATES=pairs[0], MAX_CONNECTIONS=5, HEAD_TIMEOUT_SECONDS=8
    )
    waiting = [gateway.connect(gateway.tls_port) for _ in range(5)]
    waiting[0].send(b"\x16\x03\x01")
    assert gateway.connect(gateway.tls_port).is_closed()
    assert all(client.is_closed() for client in waiting)
    wait_for(lambda: gateway.connect_tls().ask(CALL).status == 200)
    gateway.hang_up()
    clients = [gateway.connect_tls() for _ in range(5)]
    assert all(client.ask(CALL).status == 200 for client in clients)


def test_an_answer_until_the_end_ends_properly(gateway, backend):
    backend.answer_with(b"HTTP/1.1 200 OK\r\n\r\nall of it", then_close=True)
    client = gateway.connect_tls()
    answer = client.ask(CALL.replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert answer.body == b"all of it"


def test_an_answer_that_was_cut_off_has_no_proper_end(gateway, backend):
    def behave(connection: BackendConnection) -> None:
        backend.take(connection)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nall")
        connection.reset()

    backend.behave = behave
    client = gateway.connect_tls()
    with pytest.raises((ssl.SSLEOFError, ConnectionResetError, Closed)):
        client.ask(CALL)


def test_after_connection_close_the_gateway_closes_properly(gateway):
    client = gateway.connect_tls()
    assert client.ask(CALL.replace(b"Host", b"Connection: close\r\nHost")).body == b"ok"
    assert client.is_closed()


def test_a_malformed_request_is_answered_and_closed(gateway):
    client = gateway.connect_tls()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + b"x" * 100_000)
    assert client.read_response().status == 400
    assert client.is_closed()


def test_a_caller_that_leaves_in_the_middle_of_a_call_ends_it(gateway, backend):
    backend.behave = backend.take
    client = gateway.connect_tls()
    client.send(CALL.replace(b"/echo/a", b"/echo/left-in-the-middle"))
    assert backend.arrived.acquire(timeout=TIMEOUT_SECONDS)
    wait_for(lambda: backend.requests)
    with contextlib.suppress(OSError):
        client.socket.unwrap()
    record = gateway.record(b"/echo/left-in-the-middle")
    assert (record.error_source, record.error_reason) == ("client", "ClientConnectionFailure")


def test_a_large_body_in_both_directions_in_little_memory(gateway, backend):
    size = 100_000_000
    piece = bytes(range(256)) * 256

    def behave(connection: BackendConnection) -> None:
        connection.read_until(b"\r\n\r\n")
        left = size - len(connection.buffer)
        connection.buffer = connection.log = b""
        while left:
            left -= len(connection.socket.recv(2**18))
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // len(piece)):
            connection.send(piece)
        connection.send(piece[: size % len(piece)])

    backend.behave = behave
    client = gateway.connect_tls()
    before = gateway.resident_bytes()
    client.send(CALL.replace(b"GET", b"POST").replace(b"Host", b"Content-Length: %d\r\nHost" % size))
    for _ in range(size // len(piece)):
        client.send(piece)
    client.send(piece[: size % len(piece)])
    client.read_until(b"\r\n\r\n")
    left, most = size - len(client.buffer), 0
    while left:
        left -= len(client.socket.recv(2**18))
        most = max(most, gateway.resident_bytes()) if left % 7 == 0 else most
    assert max(most, gateway.resident_bytes()) - before < 20_000_000


def test_a_slow_but_steady_reader_gets_all_of_a_large_answer(impatient, backend):
    size = 12_000_000
    backend.answer_with(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
    client = Client.__new__(TLSClient)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    connection.settimeout(TIMEOUT_SECONDS)
    connection.connect(("127.0.0.1", impatient.tls_port))
    client.socket, client.buffer = any_certificate().wrap_socket(connection), b""
    client.send(CALL.replace(b"Host", b"Connection: close\r\nHost"))
    client.read_until(b"\r\n\r\n")
    got = len(client.buffer)
    end = time.monotonic() + 4
    while time.monotonic() < end:
        got += len(client.socket.recv(2048))
        time.sleep(0.05)
    while data := client.socket.recv(2**16):
        got += len(data)
    assert got == size
    client.close()


def test_a_reader_that_has_stopped_is_cut_off(impatient, backend):
    backend.answer_with(b"HTTP/1.1 200 OK\r\nContent-Length: 30000000\r\n\r\n" + b"x" * 30_000_000)
    client = impatient.connect_tls()
    client.send(CALL.replace(b"/echo/a", b"/echo/stopped"))
    assert impatient.record(b"/echo/stopped").error_reason == "ClientConnectionFailure"


def test_replaced_certificates_are_taken_over_and_connections_stay(start_gateway, tmp_path, backend):
    pair = write_pair(tmp_path, "old.test")
    gateway = start_gateway(GATEWAY_TLS_PORT=free_port(), GATEWAY_TLS_CERTIFICATES=pair)
    old = der_of(pair)
    client = gateway.connect_tls()
    assert client.certificate == old
    certificate, key = make_certificate("new.test")
    (tmp_path / "certificate.pem").write_bytes(certificate)
    gateway.wait_for_log("certificate refused, the one before serves on")
    assert gateway.connect_tls().certificate == old
    (tmp_path / "key.pem").write_bytes(key)
    wait_for(lambda: gateway.connect_tls().certificate == der_of(pair))
    assert gateway.connect_tls("new.test").certificate == der_of(pair)
    assert client.ask(CALL).status == 200
    assert b"PRIVATE" not in gateway.log.read_bytes()


def test_a_stop_does_not_wait_for_idle_connections(start_gateway, pairs, backend):
    gateway = start_gateway(GATEWAY_TLS_PORT=free_port(), GATEWAY_TLS_CERTIFICATES=pairs[0], DRAIN_SECONDS=600)
    client = gateway.connect_tls()
    assert client.ask(CALL).status == 200
    gateway.connect(gateway.tls_port)
    assert gateway.stop() == 0


@pytest.mark.parametrize(
    ("certificates", "reason"),
    [
        pytest.param("", "GATEWAY_TLS_CERTIFICATES: name the files", id="none"),
        pytest.param("one.pem", "'one.pem' is not certificate.pem:key.pem", id="no key"),
        pytest.param("/no/certificate.pem:/no/key.pem", "/no/certificate.pem: No such file", id="no such file"),
    ],
)
def test_a_start_without_good_certificates_fails_and_says_why(certificates, reason, tmp_path):
    gateway = Gateway(tmp_path, None, GATEWAY_TLS_PORT=free_port(), GATEWAY_TLS_CERTIFICATES=certificates)
    assert gateway.process.wait(TIMEOUT_SECONDS) == 1
    assert reason in gateway.log.read_text()


def test_curl_verifies_the_certificate(gateway, pairs):
    certificate = pairs[0].partition(":")[0]
    done = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--cacert", certificate),
            *("--resolve", f"api.test:{gateway.tls_port}:127.0.0.1"),
            f"https://api.test:{gateway.tls_port}/status-0123456789abcdef",
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert (done.stdout, done.stderr) == ("Service Operational", "")


def test_workers_are_replaced_without_a_call_over_tls_that_fails(start_gateway, pairs, backend):
    gateway = start_gateway(
        program="tests.gateway.with_patience", GATEWAY_TLS_PORT=free_port(), GATEWAY_TLS_CERTIFICATES=pairs[0]
    )
    client, calls = gateway.connect_tls(), 0
    gateway.process.send_signal(signal.SIGHUP)
    while "workers replaced" not in gateway.log.read_text():
        for _ in range(5):
            answer = client.ask(CALL)
            assert answer.body == b"ok"
            calls += 1
            if answer.header("Connection") == b"close":
                assert client.is_closed()
                client = gateway.connect_tls()
    assert gateway.connect_tls().ask(CALL).body == b"ok"
    assert len(backend.requests) == calls + 1


def test_the_date_on_which_a_certificate_expires_is_a_metric(start_gateway, pairs):
    port = free_port()
    gateway = start_gateway(
        program="tests.gateway.with_patience",
        GATEWAY_TLS_PORT=free_port(),
        GATEWAY_TLS_CERTIFICATES=pairs[0],
        GATEWAY_MANAGEMENT_PORT=port,
    )
    metrics = gateway.connect(port).ask(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").body.decode()
    file = re.escape(pairs[0].partition(":")[0])
    found = re.search(rf'certificate_expires_timestamp_seconds{{certificate="{file}",worker="0"}} (\S+)', metrics)
    assert float(found[1]) == pytest.approx(time.time() + 90 * 86400, abs=3600)


def test_a_call_that_the_stop_cuts_off_is_recorded(start_gateway, pairs, backend):
    gateway = start_gateway(GATEWAY_TLS_PORT=free_port(), GATEWAY_TLS_CERTIFICATES=pairs[0], DRAIN_SECONDS=0.2)
    asked, is_over = threading.Event(), threading.Event()

    def never_answer(connection: BackendConnection) -> None:
        connection.read_request()
        asked.set()
        is_over.wait()

    backend.behave = never_answer
    gateway.connect_tls().send(CALL)
    assert asked.wait(TIMEOUT_SECONDS)
    assert gateway.stop() == 0
    is_over.set()
    (record,) = gateway.records()
    assert (record.error_source, record.error_reason) == ("gateway", "ShuttingDown")
