"""Requests: read alike however the network cuts them, and understood as another implementation does."""

from dataclasses import replace

from hypothesis import event, example, given
from hypothesis import strategies as st

from gateway.http.head import TARGET_LIMIT_BYTES
from tests.fuzz.pieces import CUTS, pieces
from tests.fuzz.requests import CONVERSATIONS, FIELDS_LIMIT, HEAD_LIMIT_BYTES, WIRES, Message, read, read_by_h11

FRAMING = {b"content-length", b"transfer-encoding"}


@given(WIRES, CUTS)
def test_cuts_change_nothing(wire, cuts):
    at_once, cut = read([wire]), read(pieces(wire, cuts))
    event(f"refused with {at_once.status}")
    assert cut.whole == at_once.whole
    assert bool(cut.status) == bool(at_once.status)
    if not at_once.status:
        assert cut.messages == at_once.messages
    assert cut.status == at_once.status


@given(
    st.sampled_from([0, 16_370, 16_384, 16_385, 32_700, 40_000]),
    st.sampled_from([1, 0, 40_000]),
    st.sampled_from([0, 16_384, 32_700, 32_768, 40_000]),
    st.sampled_from([0, 97, 98, 99]),
    st.lists(st.integers(0, 100_000), max_size=4),
)
@example(target=16_370, digits=1, value=0, lines=0, cuts=[16_385])
@example(target=40_000, digits=1, value=0, lines=0, cuts=[100])
def test_cuts_change_no_limit(target, digits, value, lines, cuts):
    version = b"HTTP/1." + b"1" * digits
    wire = b"GET /%b %b\r\nHost: a\r\nX: %b\r\n%b\r\n" % (b"x" * target, version, b"y" * value, b"A:\r\n" * lines)
    at_once, cut = read([wire]), read(pieces(wire, cuts))
    faults = [target >= TARGET_LIMIT_BYTES, digits != 1, len(wire) > HEAD_LIMIT_BYTES, lines + 2 > FIELDS_LIMIT]
    assert bool(cut.status) == bool(at_once.status) == any(faults)
    if sum(faults) < 2:
        assert cut.status == at_once.status
    assert cut.whole == at_once.whole


@given(CONVERSATIONS)
@example(
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: x\r\n\r\n",
)
def test_h11_understands_the_same(wire):
    """It is laxer in places, so it may go on where the gateway refuses; not the other way round, but for one thing.

    It refuses a trailer whose name is Content-Length or Transfer-Encoding and whose value is none of
    theirs. The gateway never looks at these, and passes them to nobody.
    """
    ours, theirs = read([wire]), read_by_h11(wire)
    event(f"{len(ours.whole)} whole")
    if theirs.status:
        following = ours.whole[len(theirs.whole) :]
        assert not following or FRAMING & {name for name, _ in following[0].trailers}
    else:
        assert len(ours.whole) <= len(theirs.whole)
    for mine, other in zip(ours.whole, theirs.whole, strict=False):
        assert comparable(mine) == comparable(other)


def comparable(message: Message) -> Message:
    """h11 writes a coding in lower case, and drops lengths in trailers that it has seen."""
    fields = [(name, value.lower() if name == b"transfer-encoding" else value) for name, value in message.fields]
    trailers = [line for line in message.trailers if line[0] not in FRAMING]
    return replace(message, fields=fields, trailers=trailers)
