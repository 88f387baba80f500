"""The chunked coding: any split gives the same body, and the data between the sizes costs nothing."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.http import chunks as chunks_module
from gateway.http.chunks import LAST_CHUNK, LINE_LIMIT_BYTES, TRAILERS_LIMIT_BYTES, BadChunks, Chunks, chunk

EXTENSIONS = st.sampled_from([b"", b";", b";a", b";a=b;c", b';a="b c"', b";\xff"])
TRAILERS = st.sampled_from([b"", b"T: x\r\n", b"A:\r\nB:\t\xff\r\n"])
CHUNKS = st.lists(st.tuples(st.one_of(st.binary(min_size=1, max_size=40), st.just(b"\r\n0\r\n\r\n")), EXTENSIONS))


def read_all(pieces: list[bytes]) -> tuple[bytes, bytes]:
    """The body, and what follows it."""
    chunks, body, rest = Chunks(), b"", b""
    for piece in pieces:
        if chunks.is_complete:
            rest += piece
        else:
            data, rest = chunks.read(piece)
            body += data
    assert chunks.is_complete
    return body, rest


@given(CHUNKS, TRAILERS, st.binary(max_size=10), st.lists(st.integers(0, 400)))
@example([(b"a", b"")], b"", b"\r\n", [])
def test_where_reads_are_cut_makes_no_difference(chunks, trailers, following, cuts):
    coded = b"".join(b"%x%b\r\n%b\r\n" % (len(data), extension, data) for data, extension in chunks)
    wire = coded + b"0\r\n" + trailers + b"\r\n" + following
    places = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    expected = b"".join(data for data, _ in chunks), following
    assert read_all([wire[start:end] for start, end in pairwise(places)]) == expected
    assert read_all([bytes([byte]) for byte in wire]) == expected


@given(st.lists(st.binary(min_size=1)))
def test_what_is_coded_is_decoded(parts):
    assert read_all([b"".join(map(chunk, parts)) + LAST_CHUNK]) == (b"".join(parts), b"")


@given(st.binary(max_size=60), st.integers(0, 60))
def test_what_is_refused_in_one_piece_is_refused_in_two(garbage, cut):
    def outcome(*pieces: bytes) -> object:
        chunks, body = Chunks(), b""
        try:
            for piece in pieces:
                if not chunks.is_complete:
                    body += chunks.read(piece)[0]
        except BadChunks:
            return "refused"
        return body, chunks.is_complete

    assert outcome(garbage[:cut], garbage[cut:]) == outcome(garbage)


def test_data_within_a_chunk_is_passed_on_unread():
    chunks, piece = Chunks(), b"\r\n" * 1000
    chunks.read(b"%x\r\n" % (3 * len(piece)))
    assert chunks.read(piece)[0] is piece
    assert chunks.read(piece)[0] is piece
    assert chunks.read(piece + b"\r\n0\r\n\r\n") == (piece, b"")


def test_no_more_is_looked_at_than_there_are_chunks(monkeypatch):
    looked_at, next_size = [], chunks_module._NEXT_SIZE

    class Counted:
        def match(self, data, position):
            looked_at.append(position)
            return next_size.match(data, position)

    monkeypatch.setattr(chunks_module, "_NEXT_SIZE", Counted())
    data = b"\r\n0\r\n\r\n" * 10_000
    assert read_all([chunk(data) * 3 + LAST_CHUNK]) == (data * 3, b"")
    assert len(looked_at) == 3


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(b"1" * 17, id="size without an end"),
        pytest.param(b"1;" + b"x" * LINE_LIMIT_BYTES, id="extension without an end"),
        pytest.param(b"1;" + b"x" * LINE_LIMIT_BYTES + b"\r\na", id="long extension"),
        pytest.param(b"0\r\nT: " + b"x" * LINE_LIMIT_BYTES, id="trailer without an end"),
        pytest.param(b"0\r\n" + b"T: x\r\n" * TRAILERS_LIMIT_BYTES, id="many trailers"),
        pytest.param(b"1\n", id="size that ends in LF"),
        pytest.param(b"1\r\nab", id="data longer than its size"),
        pytest.param(b"0\r\n folded", id="folded trailer"),
        pytest.param(b" 1", id="space before a size"),
    ],
)
def test_what_cannot_become_good_is_refused_at_once(wire):
    with pytest.raises(BadChunks):
        Chunks().read(wire)


@pytest.mark.parametrize("size", [b"F" * 16, b"7" + b"F" * 15, b"F" * 100])
def test_a_size_beyond_all_bounds_is_refused(size):
    with pytest.raises(BadChunks):
        Chunks().read(size + b"\r\nhello\r\n0\r\n\r\n")
