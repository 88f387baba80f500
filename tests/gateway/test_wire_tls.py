"""Backends behind TLS: their certificates are verified, names included."""

import os
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import trustme

from gateway.configuration import sealed
from gateway.configuration.snapshot import Backend as Row
from gateway.configuration.snapshot import Credentials
from tests.gateway.conftest import echo_snapshot, free_port, with_backends
from tests.gateway.raw import Backend, BackendConnection

YESTERDAY, TOMORROW = (datetime.now(UTC) + timedelta(days=days) for days in (-1, 1))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_server() -> Iterator[Callable[..., Backend]]:
    """`tls_server(certificate)`: a backend with it, which demands client certificates of `asks_for`, if given."""
    started = []

    def start(certificate: trustme.LeafCert, asks_for: trustme.CA | None = None) -> Backend:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        if asks_for is not None:
            asks_for.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        started.append(Backend(context))
        return started[-1]

    yield start
    for backend in started:
        backend.close()


@pytest.fixture
def tls_backend(tls_server, authority, tmp_path) -> Callable[[str], Backend]:
    """`tls_backend("localhost")`: a backend with a certificate for this name, of `tmp_path / "authority"`."""
    authority.cert_pem.write_to_path(tmp_path / "authority")
    return lambda host: tls_server(authority.issue_cert(host))


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
    trust = {"SSL_CERT_FILE": tmp_path / "authority"} if is_trusted else {}
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
    gateway = start_gateway(echo_snapshot(f"https://localhost:{backend.port}"), SSL_CERT_FILE=tmp_path / "authority")
    client = gateway.connect()
    client.send(b"GET /echo/a HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: K1\r\nConnection: close\r\n\r\n")
    _, _, body = client.read_to_end().partition(b"\r\n\r\n")
    whole, cut = (b"abc", b"abc") if framing else (b"3\r\nabc\r\n0\r\n\r\n", b"3\r\nabc\r\n")
    assert body == (whole if is_proper else cut)
    gateway.hang_up()


# -- Backends with TLS settings of their own ----------------------------------------------------------


def row_of(backend: Backend, trusted: trustme.CA | None, **fields: object) -> Row:
    ca_pem = trusted.cert_pem.bytes().decode() if trusted is not None else ""
    return Row(1, "own", f"https://localhost:{backend.port}", **{"ca_pem": ca_pem} | fields)


@pytest.mark.parametrize(
    ("names", "times", "is_trusted", "verifies", "status"),
    [
        pytest.param(["localhost"], {}, True, {}, 200, id="good"),
        pytest.param(["localhost"], {}, False, {}, 502, id="unknown authority"),
        pytest.param(["localhost"], {}, False, {"verify_chain": False}, 200, id="unknown authority, not verified"),
        pytest.param(["other.test"], {}, True, {}, 502, id="wrong name"),
        pytest.param(["*.localhost"], {}, True, {}, 502, id="wildcard for subdomains"),
        pytest.param(["127.0.0.1"], {}, True, {}, 502, id="address instead of the name"),
        pytest.param(["other.test"], {}, True, {"verify_name": False}, 200, id="wrong name, not verified"),
        pytest.param(["other.test"], {}, False, {"verify_name": False}, 502, id="chain is verified all the same"),
        pytest.param(["localhost"], {"not_after": YESTERDAY}, True, {}, 502, id="expired"),
        pytest.param(["localhost"], {"not_before": TOMORROW}, True, {}, 502, id="not yet valid"),
    ],
)
def test_what_a_backends_certificate_must_be(
    names, times, is_trusted, verifies, status, authority, tls_server, start_with
):
    backend = tls_server(authority.issue_cert(*names, **times))
    gateway = start_with(row_of(backend, authority if is_trusted else trustme.CA(), **verifies))
    target = b"/own/%d" % gateway.revision
    assert gateway.ask(get(target)).status == status
    assert gateway.record(target).error_reason == ("BackendCertificateInvalid" if status == 502 else "")
    assert len(backend.requests) == (status == 200)


def test_an_own_authority_replaces_the_systems(authority, tls_server, start_gateway, tmp_path):
    system = tmp_path / "system"
    authority.cert_pem.write_to_path(system)
    backend = tls_server(authority.issue_cert("localhost"))
    rows = (row_of(backend, None), msgspec.structs.replace(row_of(backend, trustme.CA()), id=2, name="other"))
    gateway = start_gateway(with_backends(*rows), SSL_CERT_FILE=system)
    assert [gateway.ask(get(api)).status for api in (b"/own/a", b"/other/a")] == [200, 502]
    gateway.hang_up()


def test_the_authoritys_name_may_stand_above_its_certificate_in_any_script(authority, tls_server, start_with):
    backend = tls_server(authority.issue_cert("localhost"))
    row = row_of(backend, authority)
    gateway = start_with(msgspec.structs.replace(row, ca_pem=f"# NetLock Arany Főtanúsítvány\n{row.ca_pem}"))
    assert gateway.ask(get(b"/own/a")).status == 200


@pytest.mark.parametrize(
    ("shows", "status"), [("the right one", 200), ("none", 502), ("one of another authority", 502)]
)
def test_a_client_certificate_is_shown_where_it_is_demanded(shows, status, authority, tls_server, start_with):
    clients = trustme.CA()
    backend = tls_server(authority.issue_cert("localhost"), asks_for=clients)
    credentials = Credentials()
    if shows != "none":
        leaf = (clients if shows == "the right one" else trustme.CA()).issue_cert("gateway.test")
        pem = leaf.private_key_pem.bytes() + b"".join(part.bytes() for part in leaf.cert_chain_pems)
        credentials = Credentials(certificate_pem=pem.decode())
    cipher = sealed.cipher(os.environ["KEY_ENCRYPTION_KEY"])
    gateway = start_with(row_of(backend, authority, sealed=sealed.seal(credentials, cipher)))
    client = gateway.connect()
    for _ in range(2):
        assert client.ask(get(b"/own/a")).status == status
    assert len(backend.requests) == (2 if status == 200 else 0)


def test_backends_that_differ_in_trust_share_no_connection(authority, tls_server, start_with):
    backend = tls_server(authority.issue_cert("localhost"))
    trusting = row_of(backend, authority, verify_chain=False)
    strict = msgspec.structs.replace(row_of(backend, trustme.CA()), id=2, name="strict")
    gateway = start_with(trusting, strict)
    assert [gateway.ask(get(api)).status for api in (b"/own/a", b"/strict/a", b"/own/a")] == [200, 502, 200]


def test_authorities_that_could_not_be_loaded_once_are_loaded_for_the_next_call(start_gateway):
    url = f"https://127.0.0.1:{free_port()}/"
    gateway = start_gateway(echo_snapshot(url, other=url), program="tests.gateway.with_few_threads")
    for api, cause in ((b"/echo", "RuntimeError"), (b"/other", "ConnectionRefusedError")):
        assert gateway.ask(get(api)).status == 502
        gateway.wait_for_log(f"cause={cause}")


def get(target: bytes) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: K1\r\n\r\n"
