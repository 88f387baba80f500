"""Usage as a busy month leaves it, for measurements of reports.

Calls follow the hours of the day and the days of the week; few APIs and subscriptions make most of
them (Zipf); times are log-normal around what each operation takes; some calls fail or are refused,
in bursts. The same seed makes the same calls.
"""

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from math import cos, pi

from gateway.journal.record import CallRecord

DAYS, APIS, OPERATIONS, SUBSCRIPTIONS, PRODUCTS = 30, 20, 5, 1000, 4
QUARTER = timedelta(minutes=15)


def month(count: int, end: datetime, seed: int = 1) -> Iterator[CallRecord]:
    """About so many calls in the days up to `end`, in order of time."""
    draw = random.Random(seed)
    quarters = [end - QUARTER * number for number in range(DAYS * 96, 0, -1)]
    weights = [_busyness(quarter) for quarter in quarters]
    callers = [_caller(draw, number) for number in range(SUBSCRIPTIONS)]
    zipf = list(accumulate(1 / (rank + 1) for rank in range(SUBSCRIPTIONS)))
    for quarter, weight in zip(quarters, weights, strict=True):
        calls = round(count * weight / sum(weights))
        failing_api = draw.randrange(1, APIS + 1) if draw.random() < 0.02 else 0
        moments = sorted(draw.uniform(0, QUARTER.total_seconds()) for _ in range(calls))
        for moment, caller in zip(moments, draw.choices(callers, cum_weights=zipf, k=calls), strict=True):
            yield _call(draw, quarter.timestamp() + moment, *caller, failing_api)


def _busyness(at: datetime) -> float:
    """Of a quarter, most in the early afternoon of working days."""
    hour = at.hour + at.minute / 60
    return (1.2 - cos((hour - 2) / 24 * 2 * pi)) * (1.0 if at.weekday() < 5 else 0.4)


def _caller(draw: random.Random, number: int) -> tuple[bytes, int, int, list[tuple[int, int]]]:
    """A subscription with its user, its product, and the operations that it calls."""
    apis = draw.choices(range(1, APIS + 1), weights=[1 / rank for rank in range(1, APIS + 1)], k=draw.choice([1, 1, 2]))
    operations = [(api, api * 100 + draw.randrange(OPERATIONS)) for api in apis for _ in range(2)]
    return uuid.UUID(int=number + 1, version=4).bytes, number // 2 + 1, number % PRODUCTS + 1, operations


def _call(
    draw: random.Random,
    at: float,
    subscription: bytes,
    user: int,
    product: int,
    operations: list[tuple[int, int]],
    failing_api: int,
) -> CallRecord:
    api, operation = operations[int(len(operations) * draw.random() ** 2)]
    code, source, reason = 200, "", ""
    chance = draw.random()
    if api == failing_api and chance < 0.5:
        code, source, reason = 502, "forward-request", "BackendConnectionFailure"
    elif chance < 0.02:
        code, source, reason = 429, "rate-limit", "RateLimitExceeded"
    elif chance < 0.04:
        code = draw.choice([400, 404, 409, 500])
    backend = draw.lognormvariate(-4 + operation % 7 / 3, 0.6) if not source else None
    return CallRecord(
        at=at,
        request_id=b"%032x" % draw.getrandbits(128),
        api=api,
        operation=operation,
        product=product,
        subscription=subscription,
        user=user,
        method=b"POST",
        url=b"/api-%d/things/%d?version=1" % (api, operation),
        caller_address=f"198.51.{draw.randrange(100)}.{draw.randrange(256)}",
        response_code=code,
        backend_code=code if not source else None,
        total_seconds=(backend or 0) + 0.0004,
        backend_seconds=backend,
        request_bytes=draw.randrange(300, 3000),
        response_bytes=draw.randrange(200, 20_000),
        error_source=source,
        error_reason=reason,
    )


def last_midnight(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
