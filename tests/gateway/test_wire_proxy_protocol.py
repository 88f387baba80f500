"""Callers behind a proxy that passes on bytes and says in a PROXY header whose they are."""

import ipaddress
import struct
from collections.abc import Callable

import pytest

from tests.gateway.certificates import write_pair
from tests.gateway.conftest import Gateway, free_port, wait_for
from tests.gateway.raw import Backend, any_certificate

CALL = b"GET /echo/a HTTP/1.1\r\nHost: api.test\r\nOcp-Apim-Subscription-Key: K1\r\n\r\n"
TEXT = b"PROXY TCP4 192.0.2.7 192.0.2.1 56324 443\r\n"
BINARY = (
    b"\r\n\r\n\x00\r\nQUIT\n\x21\x21"
    + struct.pack("!H", 36 + 300)
    + ipaddress.ip_address("2001:db8::7").packed
    + bytes(20)
    + b"\x04\x01\x29"
    + bytes(297)
)


@pytest.fixture(scope="module")
def start_proxied(start_gateway, tmp_path_factory) -> Callable[..., Gateway]:
    def start(**settings: object) -> Gateway:
        return start_gateway(
            GATEWAY_PROXY_PROTOCOL="all",
            GATEWAY_TLS_PORT=free_port(),
            GATEWAY_TLS_CERTIFICATES=write_pair(tmp_path_factory.mktemp("certificate"), "api.test"),
            TRUSTED_PROXIES="127.0.0.0/8",
            **settings,
        )

    return start


@pytest.fixture(scope="module")
def module_gateway(start_proxied) -> Gateway:
    return start_proxied()


@pytest.fixture
def gateway(module_gateway: Gateway, backend: Backend):
    yield module_gateway
    module_gateway.hang_up()


@pytest.fixture(scope="module")
def module_impatient(start_proxied) -> Gateway:
    return start_proxied(HEAD_TIMEOUT_SECONDS=0.5)


@pytest.fixture
def impatient(module_impatient: Gateway, backend: Backend):
    """A gateway that does not wait long for a header."""
    yield module_impatient
    module_impatient.hang_up()


@pytest.mark.parametrize(
    ("header", "address"),
    [
        pytest.param(TEXT, "192.0.2.7", id="text"),
        pytest.param(BINARY, "2001:db8::7", id="binary with TLVs"),
        pytest.param(b"PROXY UNKNOWN\r\n", "127.0.0.1", id="unknown"),
        pytest.param(b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00", "127.0.0.1", id="local"),
    ],
)
@pytest.mark.parametrize("port", ["port", "tls_port"])
@pytest.mark.parametrize("is_in_drops", [False, True], ids=["whole", "byte by byte"])
def test_the_source_in_the_header_is_the_caller(port, is_in_drops, header, address, gateway, backend):
    client = gateway.connect(getattr(gateway, port))
    if port == "port" and not is_in_drops:
        client.send(header + CALL)
    else:
        for byte in header if is_in_drops else [header]:
            client.send(bytes([byte]) if is_in_drops else byte)
        if port == "tls_port":
            client.socket = any_certificate().wrap_socket(client.socket)
        client.send(CALL)
    assert client.read_response().body == b"ok"
    assert client.ask(CALL).body == b"ok"
    scheme = b"https" if port == "tls_port" else b"http"
    for request in backend.requests:
        assert b"\r\nX-Forwarded-For: %b\r\n" % address.encode() in request
        assert b"\r\nX-Forwarded-Proto: %b\r\n" % scheme in request
    wait_for(lambda: gateway.records()[-1].caller_address == address)


def test_a_caller_behind_the_proxy_is_not_trusted_as_the_proxy_is(gateway, backend):
    client = gateway.connect()
    client.send(TEXT + CALL.replace(b"Host", b"X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-Proto: https\r\nHost"))
    assert client.read_response().status == 200
    assert b"\r\nX-Forwarded-Proto: http\r\n" in backend.requests[0]
    wait_for(lambda: gateway.records()[-1].caller_address == "192.0.2.7")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(CALL, id="none"),
        pytest.param(b"\x16\x03\x01\x00\x01\x00", id="TLS"),
        pytest.param(b"PROXY TCP4 a b 1 2\r\n" + CALL, id="malformed"),
        pytest.param(b"PROXY TCP4 " + b"1" * 200, id="too long"),
        pytest.param(TEXT[:-2], id="half of it"),
        pytest.param(b"", id="nothing"),
        pytest.param(BINARY[:100], id="half of it in binary"),
        pytest.param(BINARY[:14] + b"\xff\xff" + bytes(1000), id="too long in binary"),
    ],
)
@pytest.mark.parametrize("port", ["port", "tls_port"])
def test_without_a_good_header_a_connection_is_closed(port, sent, impatient, backend):
    client = impatient.connect(getattr(impatient, port))
    client.send(sent)
    assert client.is_closed()
    assert backend.requests == []


def test_a_header_from_elsewhere_is_not_believed(start_gateway, backend):
    gateway = start_gateway(GATEWAY_PROXY_PROTOCOL="all", TRUSTED_PROXIES="192.0.2.1")
    client = gateway.connect()
    client.send(TEXT + CALL)
    assert client.is_closed()
    assert backend.requests == []


def test_where_the_port_for_tls_has_headers_the_plain_one_has_none(start_gateway, backend, tmp_path):
    gateway = start_gateway(
        GATEWAY_PROXY_PROTOCOL="tls",
        GATEWAY_TLS_PORT=free_port(),
        GATEWAY_TLS_CERTIFICATES=write_pair(tmp_path, "api.test"),
        TRUSTED_PROXIES="127.0.0.1",
    )
    assert gateway.connect().ask(CALL).status == 200
    assert gateway.connect().ask(TEXT + CALL).status == 400
    client = gateway.connect(gateway.tls_port)
    client.send(TEXT)
    client.socket = any_certificate().wrap_socket(client.socket)
    assert client.ask(CALL).status == 200


@pytest.mark.parametrize("port", ["port", "tls_port"])
@pytest.mark.parametrize("way", ["close", "reset"])
@pytest.mark.parametrize("sent", [b"", b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00", TEXT[:9]])
def test_a_balancer_that_only_looks_whether_the_gateway_is_there_fills_no_log(sent, way, port, gateway, backend):
    before = gateway.log.read_text()
    probe = gateway.connect(getattr(gateway, port))
    probe.send(sent)
    probe.close() if way == "close" else probe.reset()
    client = gateway.connect()
    client.send(TEXT + CALL)
    assert client.read_response().status == 200
    assert "connection refused" not in gateway.log.read_text().removeprefix(before)
