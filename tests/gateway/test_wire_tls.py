"""Backends behind TLS: their certificates are verified, names included."""

import socket
import ssl

import pytest

from tests.gateway.certificates import make_certificate
from tests.gateway.conftest import echo_snapshot
from tests.gateway.raw import Backend, BackendConnection


@pytest.fixture
def tls_backend(tmp_path):
    """`tls_backend("localhost")`: a backend with a certificate for this name, in `tmp_path / "certificate"`."""
    backends = []

    def start(host: str) -> Backend:
        (tmp_path / "certificate").write_bytes(b"".join(make_certificate(host)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "certificate")
        backends.append(Backend(context))
        return backends[-1]

    yield start
    for backend in backends:
        backend.close()


@pytest.mark.parametrize(
    ("host", "is_trusted", "status"),
    [
        pytest.param("localhost", True, 200, id="trusted"),
        pytest.param("localhost", False, 502, id="of an unknown authority"),
        pytest.param("other.test", True, 502, id="of another host"),
    ],
)
def test_a_backend_behind_tls_needs_a_good_certificate(host, is_trusted, status, tls_backend, start_gateway, tmp_path):
    backend = tls_backend(host)
    trust = {"SSL_CERT_FILE": tmp_path / "certificate"} if is_trusted else {}
    gateway = start_gateway(echo_snapshot(f"https://localhost:{backend.port}/base"), **trust)
    client = gateway.connect()
    head = b" /echo/a HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: K1\r\n"
    body = b"x" * 50_000
    for _ in range(2):
        assert client.ask(b"POST" + head + b"Content-Length: 50000\r\n\r\n" + body).status == status
    if is_trusted and status == 200:
        assert backend.bodies == [body, body]
        assert len(backend.connections) == 1
        backend.hang_up()
        assert client.ask(b"GET" + head + b"\r\n").body == b"ok"
    gateway.hang_up()


@pytest.mark.parametrize("is_proper", [True, False], ids=["close_notify", "no close_notify"])
@pytest.mark.parametrize("framing", [b"", b"Content-Length: 3\r\n"], ids=["until the end", "sized"])
def test_an_answer_until_the_end_is_whole_only_after_a_proper_end(
    framing, is_proper, tls_backend, start_gateway, tmp_path
):
    def behave(connection: BackendConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\nabc")
        if is_proper:
            connection.socket.unwrap()
        connection.socket.shutdown(socket.SHUT_RDWR)

    backend = tls_backend("localhost")
    backend.behave = behave
    gateway = start_gateway(echo_snapshot(f"https://localhost:{backend.port}"), SSL_CERT_FILE=tmp_path / "certificate")
    client = gateway.connect()
    client.send(b"GET /echo/a HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: K1\r\nConnection: close\r\n\r\n")
    _, _, body = client.read_to_end().partition(b"\r\n\r\n")
    whole, cut = (b"abc", b"abc") if framing else (b"3\r\nabc\r\n0\r\n\r\n", b"3\r\nabc\r\n")
    assert body == (whole if is_proper else cut)
    gateway.hang_up()
