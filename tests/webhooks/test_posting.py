"""One exchange: TLS is checked against the host name, and nothing takes longer than it may."""

import socket
import ssl
import threading
from ipaddress import ip_network

import pytest

from tests.gateway.certificates import write_pair
from webhooks import posting
from webhooks.posting import Message, post


@pytest.fixture(autouse=True)
def local_receivers(settings, monkeypatch):
    """All names lead to this machine."""
    settings.WEBHOOK_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: real("127.0.0.1", *rest, **more))


@pytest.fixture
def serve():
    """A server that runs a function with each connection; returns its port."""
    listening = []

    def start(talk, context: ssl.SSLContext | None = None) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        listening.append(server)

        def run():
            while True:
                try:
                    connection, _ = server.accept()
                    with context.wrap_socket(connection, server_side=True) if context else connection as talking:
                        talk(talking)
                except OSError:
                    if server.fileno() == -1:
                        return

        threading.Thread(target=run, daemon=True).start()
        return server.getsockname()[1]

    yield start
    for server in listening:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def take(connection) -> None:
    """The whole request: an end with something unread would be a reset."""
    request = b""
    while not request.endswith(b"{}") and (part := connection.recv(65536)):
        request += part


def answer(connection) -> None:
    take(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


def drip(connection, what: bytes, *, head: bytes = b"") -> None:
    take(connection)
    connection.sendall(head)
    for _ in range(1000):
        connection.sendall(what)
        threading.Event().wait(0.02)


@pytest.mark.parametrize(("host", "works"), [("hooks.example.org", True), ("other.example.org", False)])
def test_the_certificate_must_be_that_of_the_host_name(serve, tmp_path, monkeypatch, host, works):
    certificate, key = write_pair(tmp_path, "hooks.example.org").split(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    outcome = post(Message(f"https://{host}:{serve(answer, context)}/", False, {}, b"{}"), None)
    assert outcome.is_success is works
    assert works or "The certificate is not trusted" in outcome.error


def test_a_certificate_that_nobody_vouches_for_is_refused(serve, tmp_path):
    certificate, key = write_pair(tmp_path, "hooks.example.org").split(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    outcome = post(Message(f"https://hooks.example.org:{serve(answer, context)}/", False, {}, b"{}"), None)
    assert "The certificate is not trusted" in outcome.error


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(b"H", id="a status line without end"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", id="going on for ever"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_who_drips_is_cut_off(serve, monkeypatch, what):
    monkeypatch.setattr(posting, "SECONDS", 0.3)
    outcome = post(Message(f"http://hooks.example.org:{serve(lambda c: drip(c, what))}/", True, {}, b"{}"), None)
    assert (outcome.status, outcome.error[:17]) == (None, "No answer within ")


def test_a_head_that_breaks_off_in_the_middle_is_no_success(serve, monkeypatch):
    monkeypatch.setattr(posting, "SECONDS", 0.3)

    port = serve(lambda connection: drip(connection, b"x: y\r\n", head=b"HTTP/1.1 200 OK\r\n"))
    assert not post(Message(f"http://hooks.example.org:{port}/", True, {}, b"{}"), None).is_success


def test_a_body_without_end_does_not_matter(serve, monkeypatch):
    monkeypatch.setattr(posting, "SECONDS", 2)  # The head has to come within it, also on a machine that is busy.

    port = serve(lambda connection: drip(connection, b"z", head=b"HTTP/1.1 200 OK\r\n\r\n"))
    outcome = post(Message(f"http://hooks.example.org:{port}/", True, {}, b"{}"), None)
    assert outcome.is_success
    assert set(outcome.answer) == {"z"}


@pytest.mark.parametrize("what", [b"", b"\x00\xff garbage\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_what_is_no_http_is_a_failure(serve, what):
    def talk(connection):
        take(connection)
        connection.sendall(what)

    outcome = post(Message(f"http://hooks.example.org:{serve(talk)}/", True, {}, b"{}"), None)
    assert (outcome.status, outcome.error != "") == (None, True)
