"""Usage as busy months leave it, for measurements of reports and pages.

Calls follow the hours of the day and the days of the week; few APIs and subscriptions make most of
them (Zipf); times are log-normal around what each operation takes; some calls fail or are refused, an
API that fails does so for a quarter of an hour, and some calls come without a key or to no API. The
same seed makes the same calls.
"""

import random
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, islice
from math import cos, pi
from statistics import fmean
from typing import NamedTuple

import msgspec

from analytics.sums import BriefCall, brief
from gateway.catalogue.cause import Cause, KeyRefused, LimitReached, NotRouted
from gateway.journal.record import CallRecord

QUARTER = timedelta(minutes=15)
# Calls of an operation are cut from a drawn sequence of so many, as drawing each would take hours.
DRAWN = 4096
_HEADERS = (
    (b"Host", b"api.example.org"),
    (b"User-Agent", b"python-requests/2.32.3"),
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"gzip, deflate"),
    (b"Content-Type", b"application/json"),
    (b"Content-Length", b"812"),
    (b"Ocp-Apim-Subscription-Key", b"***"),
)


class Caller(NamedTuple):
    """Who calls, and from where; no subscription: somebody without a key."""

    subscription: uuid.UUID | None
    user: int | None
    product: int | None
    country: str


@dataclass(frozen=True, slots=True)
class Group:
    """Calls of one caller to one operation in one quarter of an hour; `drawn` lacks time, request id and caller.

    `briefs` are the same in brief.
    """

    quarter: datetime
    caller: Caller
    drawn: Sequence[CallRecord]
    briefs: Sequence[BriefCall]

    def records(self, draw: random.Random) -> Iterator[CallRecord]:
        subscription = self.caller.subscription.bytes if self.caller.subscription is not None else None
        start = self.quarter.timestamp()
        for one in self.drawn:
            yield msgspec.structs.replace(
                one,
                at=start + draw.random() * 900,
                request_id=draw.getrandbits(128).to_bytes(16),
                subscription=subscription,
                user=self.caller.user,
                product=self.caller.product,
            )


def groups(
    *,
    a_month: int,
    start: datetime,
    end: datetime,
    callers: Sequence[Caller],
    operations: Sequence[tuple[int, int]],
    seed: int = 1,
) -> Iterator[Group]:
    """About `a_month` calls in each 30 days, in order of quarters; `operations` are APIs and operations of theirs."""
    draw = random.Random(seed)
    sequences = [_Sequences(draw, *operation) for operation in operations]
    nowhere = _Sequences(draw, None, None)
    kinds = [(caller, sequence) for caller in callers for sequence in _called(draw, sequences)]
    weights = [
        1 / rank * share
        for rank, count in enumerate(Counter(caller for caller, _ in kinds).values(), 1)
        for share in _shares(count)
    ]
    stranger = Caller(None, None, None, "")
    kinds += [(stranger, sequence) for sequence in sequences[:20]] + [(stranger, nowhere)]
    weights += [sum(weights) * 0.0005] * 21
    bounds = list(accumulate(weights))
    # What is shorter than a week is repeated, so that it has its share of calls, be it a Sunday.
    mean = fmean(_busyness(at) for at in islice(_quarters(start, end), 7 * 96))
    apis = sorted({api for api, _ in operations})
    for at in _quarters(start, end):
        failing = draw.choice(apis) if draw.random() < 0.02 else 0
        calls = round(a_month / (30 * 96) * _busyness(at) / mean * draw.uniform(0.9, 1.1))
        for index, count in Counter(draw.choices(range(len(kinds)), cum_weights=bounds, k=calls)).items():
            caller, sequence = kinds[index]
            yield Group(at, caller, *sequence.cut(draw, count, is_failing=sequence.api == failing, caller=caller))


def crowd(
    *,
    start: datetime,
    end: datetime,
    callers: Sequence[Caller],
    operations: Sequence[tuple[int, int]],
    seed: int = 3,
) -> Iterator[Group]:
    """A call of each caller in each day, to one of these operations, in order of quarters."""
    draw = random.Random(seed)
    sequences = [_Sequences(draw, *operation) for operation in operations] if callers else []
    quarters: list[list[int]] = [[] for _ in range(96)]
    for number in range(len(callers)):
        quarters[draw.randrange(96)].append(number)
    for at in _quarters(start, end):
        for number in quarters[(at - start) // QUARTER % 96]:
            # Half of them call the first operation.
            sequence = sequences[number // 2 % len(sequences) if number % 2 else 0]
            yield Group(at, callers[number], *sequence.cut(draw, 1, is_failing=False, caller=callers[number]))


def _quarters(start: datetime, end: datetime) -> Iterator[datetime]:
    while start < end:
        yield start
        start += QUARTER


class _Sequences:
    """Drawn calls of an operation: of a usual day, of a day when the backend fails, and without a key."""

    def __init__(self, draw: random.Random, api: int | None, operation: int | None) -> None:
        self.api = api
        self._usual = _with_briefs(_call(draw, api, operation, failing=0.0) for _ in range(DRAWN))
        self._failing = _with_briefs(_call(draw, api, operation, failing=0.5) for _ in range(DRAWN // 8))
        self._refused = _with_briefs(_refused(draw, api, operation) for _ in range(DRAWN // 8))

    def cut(
        self, draw: random.Random, count: int, *, is_failing: bool, caller: Caller
    ) -> tuple[Sequence[CallRecord], Sequence[BriefCall]]:
        drawn, briefs = self._refused if caller.subscription is None else self._failing if is_failing else self._usual
        start = draw.randrange(len(drawn))
        if start + count > len(drawn):
            start, rounds = 0, count // len(drawn) + 1
            drawn, briefs = drawn * rounds, briefs * rounds
        return drawn[start : start + count], briefs[start : start + count]


def _with_briefs(drawn: Iterable[CallRecord]) -> tuple[list[CallRecord], list[BriefCall]]:
    records = list(drawn)
    return records, [brief(record, "") for record in records]


def _called(draw: random.Random, sequences: Sequence[_Sequences]) -> Sequence[_Sequences]:
    """Two operations or four, more often of the first APIs."""
    weights = [1 / (rank // 5 + 1) for rank in range(len(sequences))]
    chosen = draw.choices(range(len(sequences)), weights=weights, k=draw.choice([2, 2, 4]))
    return [sequences[index] for index in sorted(set(chosen))]


def _shares(count: int) -> list[float]:
    """Of a caller's operations: each is called half as often as the one before."""
    whole = 2 - 2 / 2**count
    return [1 / 2**place / whole for place in range(count)]


def _busyness(at: datetime) -> float:
    """Of a quarter, most in the early afternoon of working days."""
    hour = at.hour + at.minute / 60
    return (1.2 - cos((hour - 2) / 24 * 2 * pi)) * (1.0 if at.weekday() < 5 else 0.4)


def _call(draw: random.Random, api: int | None, operation: int | None, *, failing: float) -> CallRecord:
    code, source, reason, cause = 200, "", "", None
    chance = draw.random()
    if chance < failing:
        code, source, reason = 502, "forward-request", "BackendConnectionFailure"
    elif chance > 0.98:
        code, source, reason = 429, "rate-limit", "RateLimitExceeded"
        cause = LimitReached("rate-limit", "product", 1, "calls", 100, 60, draw.randrange(60))
    elif chance > 0.96:
        code = draw.choice([400, 404, 409, 500])
    backend = draw.lognormvariate(-4 + (operation or 0) % 7 / 3, 0.6) if not source else None
    return _record(draw, api, operation, code=code, backend_seconds=backend, source=source, reason=reason, cause=cause)


def _refused(draw: random.Random, api: int | None, operation: int | None) -> CallRecord:
    if api is None:
        cause: Cause = NotRouted("no-api")
        return _record(draw, None, None, code=404, source="configuration", reason="OperationNotFound", cause=cause)
    reason, cause = draw.choice(
        [("SubscriptionKeyNotFound", KeyRefused("missing")), ("SubscriptionKeyInvalid", KeyRefused("unknown"))]
    )
    return _record(draw, api, operation, code=401, source="authorization", reason=reason, cause=cause)


def _record(
    draw: random.Random,
    api: int | None,
    operation: int | None,
    *,
    code: int,
    backend_seconds: float | None = None,
    source: str = "",
    reason: str = "",
    cause: Cause | None = None,
) -> CallRecord:
    return CallRecord(
        at=0.0,
        request_id=b"",
        api=api,
        operation=operation,
        product=None,
        subscription=None,
        user=None,
        method=b"POST",
        url=b"/api-%d/things/%d?version=%d" % (api or 0, operation or 0, draw.randrange(1000)),
        caller_address=f"198.51.{draw.randrange(100)}.{draw.randrange(256)}",
        response_code=code,
        backend_code=code if backend_seconds is not None else None,
        total_seconds=(backend_seconds or 0) + draw.uniform(0.0002, 0.001),
        backend_seconds=backend_seconds,
        request_bytes=draw.randrange(300, 3000),
        response_bytes=draw.randrange(200, 20_000),
        error_source=source,
        error_reason=reason,
        cause=cause,
        request_headers=_HEADERS if code >= 400 else (),
    )


def last_midnight(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
