"""How times are distributed: counts in buckets that grow with the time, which can be added up.

Any two histograms have the same buckets, so those of quarters, users or gateways can be merged
and still tell percentiles, each within 2 % of the exact one. The buckets are DDSketch's (Masson, Rim
and Lee, VLDB 2019).
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from math import ceil, log
from struct import unpack
from sys import byteorder

RELATIVE_ERROR = 0.02
_GROWTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_PER_LOG = 1 / log(_GROWTH)
# About 18,000 years; what would be longer counts as this long.
_LAST_BUCKET = 2**10 - 1
_MOST_IN_A_PAIR = 2**16 - 1
_WORTH_COUNTING_BYTES = 16 * 2**10

Buckets = dict[int, int]
"""How many times fell into each bucket."""


def bucket(microseconds: int) -> int:
    """The bucket of a time. What is shorter than a microsecond counts as one."""
    return min(ceil(log(microseconds) * _PER_LOG), _LAST_BUCKET) if microseconds > 1 else 0


def merge(into: Buckets, other: Mapping[int, int]) -> None:
    for number, count in other.items():
        into[number] = into.get(number, 0) + count


def quantile(buckets: Mapping[int, int], share: float) -> float | None:
    """The time in microseconds that so large a share of all (0 to 1) does not exceed; None of no times.

    It is within RELATIVE_ERROR of the time that has this rank.
    """
    rank = max(ceil(share * sum(buckets.values())), 1)
    for number in sorted(buckets):
        rank -= buckets[number]
        if rank <= 0:
            # In the middle of the bucket as its relative error goes.
            return float(2 * _GROWTH**number / (_GROWTH + 1))
    return None


def encode(buckets: Mapping[int, int]) -> bytes:
    """Pairs of bucket and count, two bytes each, little-endian; a larger count takes several pairs.

    Encodings that are joined are the encoding of the merged histogram.
    """
    pairs = array("H")
    for number in sorted(buckets):
        count = buckets[number]
        while count > 0:
            pairs.extend((number, min(count, _MOST_IN_A_PAIR)))
            count -= _MOST_IN_A_PAIR
    return _as_stored(pairs).tobytes()


def decode(parts: Iterable[bytes]) -> Buckets:
    """The merged histogram of all these encodings."""
    joined = b"".join(parts)
    buckets: Buckets = {}
    if len(joined) < _WORTH_COUNTING_BYTES:
        pairs = _as_stored(array("H", joined))
        for number, count in zip(pairs[::2], pairs[1::2], strict=True):
            buckets[number] = buckets.get(number, 0) + count
        return buckets
    # Most pairs are there many times; `struct` reads the low half first, whatever the processor does.
    for pair, times in Counter(unpack(f"<{len(joined) // 4}I", joined)).items():
        number = pair & 0xFFFF
        buckets[number] = buckets.get(number, 0) + (pair >> 16) * times
    return buckets


def _as_stored(pairs: "array[int]") -> "array[int]":
    if byteorder == "big":
        pairs.byteswap()
    return pairs
