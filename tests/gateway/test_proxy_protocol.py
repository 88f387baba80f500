"""Headers of the PROXY protocol, whole, byte by byte, and broken."""

import ipaddress
import struct

import pytest

from gateway.listeners.proxy_protocol import BadHeader, header_size, source

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def binary(command: int, family: int, addresses: bytes) -> bytes:
    return SIGNATURE + bytes([command, family]) + struct.pack("!H", len(addresses)) + addresses


def tcp4(source_address: str, more: bytes = b"") -> bytes:
    addresses = ipaddress.ip_address(source_address).packed + bytes(4) + struct.pack("!HH", 1234, 443)
    return binary(0x21, 0x11, addresses + more)


def tcp6(source_address: str) -> bytes:
    return binary(0x21, 0x21, ipaddress.ip_address(source_address).packed + bytes(16) + struct.pack("!HH", 1234, 443))


GOOD = [
    pytest.param(b"PROXY TCP4 192.0.2.7 192.0.2.1 56324 443\r\n", "192.0.2.7", id="text, IPv4"),
    pytest.param(b"PROXY TCP6 2001:db8::7 2001:db8::1 1 65535\r\n", "2001:db8::7", id="text, IPv6"),
    pytest.param(b"PROXY UNKNOWN\r\n", None, id="text, unknown"),
    pytest.param(b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", None, id="text, unknown with more"),
    pytest.param(tcp4("192.0.2.7"), "192.0.2.7", id="binary, IPv4"),
    pytest.param(tcp4("192.0.2.7", b"\x03\x00\x04abcd" + b"\x04" * 900), "192.0.2.7", id="binary with TLVs"),
    pytest.param(tcp6("2001:db8::7"), "2001:db8::7", id="binary, IPv6"),
    pytest.param(tcp6("::ffff:192.0.2.7"), "192.0.2.7", id="binary, IPv4 within IPv6"),
    pytest.param(binary(0x20, 0x00, b""), None, id="binary, local"),
    pytest.param(binary(0x20, 0x11, bytes(12)), None, id="binary, local with addresses"),
    pytest.param(binary(0x21, 0x00, b"\x03\x00\x01x"), None, id="binary, unspecified family"),
    pytest.param(binary(0x21, 0x12, bytes(12)), None, id="binary, UDP"),
    pytest.param(binary(0x21, 0x31, bytes(216)), None, id="binary, UNIX socket"),
]


@pytest.mark.parametrize(("header", "address"), GOOD)
def test_the_source_of_a_header(header, address):
    assert header_size(header) == len(header)
    assert source(header) == address


@pytest.mark.parametrize(("header", "address"), GOOD)
def test_what_follows_a_header_is_not_of_it(header, address):
    assert header_size(header + b"GET / HTTP/1.1\r\n\r\n") == len(header)


@pytest.mark.parametrize(("header", "address"), GOOD)
def test_a_header_byte_by_byte(header, address):
    for length in range(len(header)):
        assert header_size(header[:length]) in (None, len(header))


@pytest.mark.parametrize(
    "received",
    [
        pytest.param(b"GET / HTTP/1.1\r\n", id="a request"),
        pytest.param(b"\x16\x03\x01", id="TLS"),
        pytest.param(b"P ROXY", id="almost the word"),
        pytest.param(b"PROXY TCP4 " + b"1" * 100, id="a line without an end"),
        pytest.param(b"\r\n\r\n\x01", id="almost the signature"),
        pytest.param(SIGNATURE + b"\x21\x11\xff\xff", id="64 KiB announced"),
    ],
)
def test_what_is_no_header_is_refused_at_once(received):
    with pytest.raises(BadHeader):
        header_size(received)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"PROXY \r\n", id="nothing after the word"),
        pytest.param(b"PROXY TCP4 192.0.2.7 192.0.2.1 1\r\n", id="a port is missing"),
        pytest.param(b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2 3\r\n", id="one too many"),
        pytest.param(b"PROXY TCP4 192.0.2.7  192.0.2.1 1 2\r\n", id="two spaces"),
        pytest.param(b"PROXY TCP4 192.0.2.7 192.0.2.1 1 65536\r\n", id="port too large"),
        pytest.param(b"PROXY TCP4 192.0.2.7 192.0.2.1 01 2\r\n", id="leading zero"),
        pytest.param(b"PROXY TCP4 192.0.2.256 192.0.2.1 1 2\r\n", id="no such address"),
        pytest.param(b"PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n", id="IPv6 in TCP4"),
        pytest.param(b"PROXY TCP6 192.0.2.7 192.0.2.1 1 2\r\n", id="IPv4 in TCP6"),
        pytest.param(b"PROXY UDP4 192.0.2.7 192.0.2.1 1 2\r\n", id="no such protocol"),
        pytest.param(b"PROXY UNKNOWNS\r\n", id="almost unknown"),
        pytest.param(binary(0x22, 0x11, bytes(12)), id="no such command"),
        pytest.param(binary(0x11, 0x11, bytes(12)), id="version 1 in binary"),
        pytest.param(binary(0x21, 0x41, bytes(12)), id="no such family"),
        pytest.param(binary(0x21, 0x11, bytes(11)), id="IPv4 cut off"),
        pytest.param(binary(0x21, 0x21, bytes(35)), id="IPv6 cut off"),
    ],
)
def test_a_malformed_header_is_refused(header):
    assert header_size(header) == len(header)
    with pytest.raises(BadHeader):
        source(header)
