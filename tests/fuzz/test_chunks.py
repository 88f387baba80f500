"""The chunked coding: read alike however it is cut, and as a plain decoder reads it."""

import re

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.http.chunks import LAST_CHUNK, LINE_LIMIT_BYTES, TRAILERS_LIMIT_BYTES, BadChunks, Chunks, chunk
from tests.fuzz.pieces import CUTS, mutated, pieces

FRAGMENTS = [
    b"\r\n",
    b"\r",
    b"\n",
    b"0",
    b"1",
    b"fF",
    b"0x1",
    b";",
    b";a=b",
    b" ",
    b"\t",
    b"\0",
    b"+1",
    b"-1",
    b"_",
    b"A: b\r\n",
]
LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[\t -~\x80-\xff]*)?\r\n")
TRAILER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*)\r\n")
CODED = st.builds(
    lambda chunks, trailers: b"".join(map(chunk, chunks)) + b"0\r\n" + trailers + b"\r\nrest",
    st.lists(st.binary(min_size=1, max_size=20), max_size=4),
    st.sampled_from([b"", b"A: b\r\n", b"A:\r\nB:\t\xff\r\n"]),
)
WIRES = st.one_of(
    mutated(CODED, FRAGMENTS), st.lists(st.sampled_from(FRAGMENTS)).map(b"".join), st.binary(max_size=100)
)


def read(parts: list[bytes]) -> tuple[bytes, list[bytes], bytes, bool] | None:
    """Body, trailers, what follows, and whether that is all; None where it is refused."""
    chunks, body, rest = Chunks(), b"", b""
    try:
        for part in parts:
            if chunks.is_complete:
                rest += part
            else:
                data, rest = chunks.read(part)
                body += data
    except BadChunks:
        return None
    return body, chunks.trailers, rest, chunks.is_complete


def decode(wire: bytes) -> tuple[bytes, list[bytes], bytes] | None:
    """RFC 9112 7.1 word for word; None where it is not whole, or no such body."""
    body, trailers = b"", []
    while (line := LINE.match(wire)) and (size := int(line[1], 16)):
        data, end = wire[line.end() : line.end() + size], wire[line.end() + size : line.end() + size + 2]
        if end != b"\r\n":
            return None
        body, wire = body + data, wire[line.end() + size + 2 :]
    if not line:
        return None
    wire = wire[line.end() :]
    while trailer := TRAILER.match(wire):
        trailers.append(trailer[1])
        wire = wire[trailer.end() :]
    return (body, trailers, wire[2:]) if wire.startswith(b"\r\n") else None


@given(WIRES, CUTS)
@example(b"1\r\na\r\n0\r\n\r\n", [1])
def test_cuts_change_nothing(wire, cuts):
    assert read(pieces(wire, cuts)) == read([wire])


@given(WIRES)
def test_a_plain_decoder_reads_the_same(wire):
    found, expected = read([wire]), decode(wire)
    assert (found is not None and found[3]) == (expected is not None)
    if expected is not None:
        assert found[:3] == expected


@given(WIRES)
def test_what_is_read_is_read_alike_by_h11(wire):
    found = read([wire])
    if found is None or not found[3]:
        return
    connection, body = h11.Connection(h11.SERVER), b""
    connection.receive_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + wire)
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        body += bytes(event.data) if isinstance(event, h11.Data) else b""
    assert (body, connection.trailing_data[0]) == (found[0], found[2])


@given(st.lists(st.binary(min_size=1)), CUTS)
def test_what_is_coded_is_decoded(parts, cuts):
    wire = b"".join(map(chunk, parts)) + LAST_CHUNK
    assert read(pieces(wire, cuts)) == (b"".join(parts), [], b"", True)


@pytest.mark.parametrize("start", [b"1;", b"0\r\nA:", b"1\r\na\r\n1;"])
@given(st.integers(-3, 3), st.lists(st.integers(0, 5000), max_size=3))
def test_a_line_has_the_same_limit_however_it_is_cut(start, more, cuts):
    last_line = start[start.rfind(b"\n") + 1 :]
    size = LINE_LIMIT_BYTES - len(last_line) - 2 - (2 if start.startswith(b"1\r\n") else 0) + more
    wire = start + b"x" * size + b"\r\n"
    assert (read([wire]) is None) == (read(pieces(wire, cuts)) is None) == (more > 0)


@given(st.integers(0, 20), st.integers(900, 1100), CUTS)
def test_trailers_have_the_same_limit_however_they_are_cut(lines, size, cuts):
    wire = b"0\r\n" + (b"A:" + b"x" * size + b"\r\n") * lines + b"\r\n"
    fits = (size + 4) * lines + 2 <= TRAILERS_LIMIT_BYTES
    assert (read([wire]) is not None) == fits
    if cuts != "bytes":
        assert (read(pieces(wire, cuts)) is not None) == fits
