"""The PROXY protocol: nothing but a whole header is taken for one, however it is cut."""

import ipaddress
import struct

from hypothesis import given
from hypothesis import strategies as st

from gateway.listeners.proxy_protocol import BINARY_LIMIT_BYTES, BadHeader, header_size, source
from tests.fuzz.pieces import mutated

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V4, V6, PORTS = st.ip_addresses(v=4), st.ip_addresses(v=6), st.integers(0, 65535)


def text(address, destination, port, other) -> bytes:
    return b"PROXY TCP%d %b %b %d %d\r\n" % (
        address.version,
        str(address).encode(),
        str(destination).encode(),
        port,
        other,
    )


def binary(address, destination, port, other, extra=b"") -> bytes:
    body = address.packed + destination.packed + struct.pack(">HH", port, other) + extra
    return SIGNATURE + bytes([0x21, 0x11 if address.version == 4 else 0x21]) + struct.pack(">H", len(body)) + body


PAIRS = st.one_of(st.tuples(V4, V4), st.tuples(V6, V6))
GOOD = st.one_of(
    st.builds(lambda pair, *ports: (text(*pair, *ports), pair[0]), PAIRS, PORTS, PORTS),
    st.builds(lambda pair, *more: (binary(*pair, *more), pair[0]), PAIRS, PORTS, PORTS, st.binary(max_size=40)),
)
FRAGMENTS = [
    b"PROXY ",
    b"UNKNOWN",
    b"TCP4",
    b"TCP6",
    b" ",
    b"\r\n",
    b"\r",
    b"0",
    b"65536",
    b"::",
    b"1.2.3.4",
    SIGNATURE,
    b"\x20",
    b"\xff",
]
WIRES = st.one_of(
    mutated(GOOD.map(lambda header: header[0] + b"GET / HTTP/1.1\r\n"), FRAGMENTS),
    st.lists(st.sampled_from(FRAGMENTS)).map(b"".join),
    st.binary(max_size=250).map(lambda rest: SIGNATURE + rest),
    st.binary(max_size=250),
)


@given(GOOD, st.binary(max_size=20))
def test_a_header_is_read_back(header, following):
    wire, address = header
    assert header_size(wire + following) == len(wire)
    assert all(header_size(wire[:end]) in (None, len(wire)) for end in range(1, len(wire)))
    assert source(wire) == str(getattr(address, "ipv4_mapped", None) or address)


@given(WIRES)
def test_more_bytes_never_change_what_was_found(wire):
    known = None
    for end in range(1, len(wire) + 1):
        try:
            size = header_size(wire[:end])
        except BadHeader:
            known = known or "bad"
            size = "bad"
        if known is not None:
            assert size == known
        known = size if size is not None else known
        if size is None:
            assert end < BINARY_LIMIT_BYTES


@given(WIRES)
def test_any_header_gives_an_address_or_none_or_is_bad(wire):
    try:
        size = header_size(wire) if wire else None
        if size is None or size > len(wire):
            return
        address = source(wire[:size])
    except BadHeader:
        return
    assert address is None or ipaddress.ip_address(address)
