"""Bytes as a socket may deliver them: cut anywhere."""

from itertools import pairwise

from hypothesis import strategies as st

CUTS = st.one_of(st.just("bytes"), st.lists(st.integers(0, 400), max_size=6))


def pieces(wire: bytes, cuts: str | list[int]) -> list[bytes]:
    """Cut at these places, or into single bytes."""
    if cuts == "bytes":
        return [bytes([byte]) for byte in wire]
    places = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    return [wire[start:end] for start, end in pairwise(places)]


def mutated(wire: st.SearchStrategy[bytes], fragments: list[bytes]) -> st.SearchStrategy[bytes]:
    """Good bytes with up to three places replaced, removed or repeated."""
    change = st.tuples(
        st.integers(0, 2**16),
        st.integers(0, 4),
        st.one_of(st.sampled_from(fragments), st.binary(max_size=2)),
    )
    return st.builds(_changed, wire, st.lists(change, max_size=3))


def _changed(wire: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for place, removed, inserted in changes:
        start = place % (len(wire) + 1)
        wire = wire[:start] + inserted + wire[start + removed :]
    return wire
