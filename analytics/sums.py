"""What calls sum up to, by kind and quarter of an hour.

The transaction that stores a batch of the journal keeps of its calls what the roll-ups are made of,
as one row. Summing many batches at once, a little later, costs a fraction of summing each by itself.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self, TypeAlias

import msgspec

from analytics import latency
from analytics.call_classes import call_class
from analytics.records import LIMITS, QUARTER_SECONDS, guid
from gateway.journal.record import CallRecord

# SQL's bigint; a sum stops there rather than fail.
MOST = 2**63 - 1
NOBODY = bytes(16)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Kind: TypeAlias = tuple[bytes, int, int, int, int, str]
"""Subscription, API, operation, product, user and country; zeros or nothing where there is none."""

BriefCall: TypeAlias = tuple[int, Kind, int, bool, int, int, int, int | None]
"""Quarter (its number since 1970), kind, response code, whether a limit refused it, request and response bytes,
total and backend time in microseconds."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[BriefCall]).decode

_KindBefore: TypeAlias = tuple[bytes, int, int, int, int]
_decode_before = msgspec.msgpack.Decoder(list[tuple[int, _KindBefore, int, bool, int, int, int, int | None]]).decode


@dataclass(slots=True)
class Times:
    """Of some calls, in microseconds; the least and the most mean nothing where there are no calls."""

    calls: int = 0
    sum: int = 0
    min: int = MOST
    max: int = 0
    buckets: latency.Buckets = field(default_factory=dict)

    @classmethod
    def of(cls, times: Sequence[int]) -> Self:
        if not times:
            return cls()
        return cls(len(times), sum(times), min(times), max(times), Counter(map(latency.bucket, times)))

    def add(self, other: Self) -> None:
        self.calls += other.calls
        self.sum = min(self.sum + other.sum, MOST)
        self.min = min(self.min, other.min)
        self.max = max(self.max, other.max)
        latency.merge(self.buckets, other.buckets)


@dataclass(slots=True)
class Sums:
    """Of some calls. `classes` has the numbers of calls that are SUCCESS, BLOCKED, FAILED and OTHER."""

    classes: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    limited: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    cache_hits: int = 0
    cache_misses: int = 0
    total: Times = field(default_factory=Times)
    backend: Times = field(default_factory=Times)

    @classmethod
    def of(cls, calls: Sequence[BriefCall]) -> Self:
        _, _, codes, limited, received, sent, totals, backends = zip(*calls, strict=True)
        sums = cls(
            limited=sum(limited),
            request_bytes=min(sum(received), MOST),
            response_bytes=min(sum(sent), MOST),
            total=Times.of(totals),
            backend=Times.of([time for time in backends if time is not None]),
        )
        for code, count in Counter(codes).items():
            sums.classes[call_class(code)] += count
        return sums

    def add(self, other: Self) -> None:
        self.classes = [mine + theirs for mine, theirs in zip(self.classes, other.classes, strict=True)]
        self.limited += other.limited
        self.request_bytes = min(self.request_bytes + other.request_bytes, MOST)
        self.response_bytes = min(self.response_bytes + other.response_bytes, MOST)
        self.cache_hits += other.cache_hits
        self.cache_misses += other.cache_misses
        self.total.add(other.total)
        self.backend.add(other.backend)


def brief(record: CallRecord, country: str) -> BriefCall:
    """`country` has two letters, or none. Raises ValueError or OverflowError for what no roll-up can hold."""
    backend = record.backend_seconds
    return (
        int(record.at // QUARTER_SECONDS),
        (
            record.subscription or NOBODY,
            record.api or 0,
            record.operation or 0,
            record.product or 0,
            record.user or 0,
            country,
        ),
        record.response_code,
        record.error_source in LIMITS,
        record.request_bytes,
        record.response_bytes,
        max(int(record.total_seconds * 1e6), 0),
        max(int(backend * 1e6), 0) if backend is not None else None,
    )


def encode(calls: Sequence[BriefCall]) -> bytes:
    """Raises ValueError or OverflowError for what no roll-up can hold.

    It must not fail later, where nobody knows any more which record it was.
    """
    for quarter, (subscription, *numbers, _) in {(call[0], call[1]) for call in calls}:
        start_of(quarter * QUARTER_SECONDS)
        guid(subscription)
        if not all(0 <= number <= MOST for number in numbers):
            raise ValueError("An id is out of range.")
    if not all(0 <= size <= MOST for call in calls for size in call[4:6]):
        raise ValueError("A size is out of range.")
    return _encode(calls)


def decode(encoded: bytes) -> list[BriefCall]:
    try:
        return _decode(encoded)
    except msgspec.ValidationError:
        # The calls waited over an upgrade, from before countries were told apart.
        return [(quarter, (*kind, ""), *rest) for quarter, kind, *rest in _decode_before(encoded)]  # type: ignore[misc]


def of(calls: Iterable[BriefCall]) -> dict[tuple[int, Kind], Sums]:
    """Sums by quarter and kind."""
    groups: defaultdict[tuple[int, Kind], list[BriefCall]] = defaultdict(list)
    for call in calls:
        groups[call[0], call[1]].append(call)
    return {key: Sums.of(group) for key, group in groups.items()}


def start_of(seconds: int) -> datetime:
    return _EPOCH + timedelta(seconds=seconds)
