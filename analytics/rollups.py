"""From the calls of batches of the journal to the roll-ups that reports read, each once.

One transaction takes calls that wait, adds them to all roll-ups, and deletes them. It is the only
one that writes roll-ups; a second one waits for the first by the rows that both want to take.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

from django.db import transaction
from django.db.models import F, Min, Sum

from analytics import latency, rows, sums
from analytics.models import (
    APIDay,
    APIQuarter,
    CallKind,
    CountryDay,
    CountryQuarter,
    OperationDay,
    OperationQuarter,
    PendingCalls,
    ProductDay,
    ProductQuarter,
    Rollup,
    SubscriptionDay,
    TotalDay,
    TotalQuarter,
    UsageDay,
    UsageQuarter,
)
from analytics.records import QUARTER_SECONDS
from analytics.sums import MOST, NOBODY, Kind, Sums, Times

BATCHES = 100
DAY_SECONDS = 24 * 3600
# SQLite and PostgreSQL both take so many parameters.
_IDS_AT_ONCE = 10_000

RollupTable: TypeAlias = type[Rollup]
_Id = TypeVar("_Id")
_Table: TypeAlias = dict[int, dict[Kind, Sums]]
"""Sums by the start of their period, as Unix time, and by kind."""

SUM_FIELDS = (
    "success", "blocked", "failed", "other", "limited", "request_bytes", "response_bytes", "cache_hits", "cache_misses",
    "total_sum", "total_min", "total_max", "total_histogram",
    "backend_calls", "backend_sum", "backend_min", "backend_max", "backend_histogram",
)  # fmt: skip
SUM_OF_CALLS = Sum(F("success") + F("blocked") + F("failed") + F("other"))
"""How many calls some rows of one roll-up tell of, whatever became of them."""


@dataclass(frozen=True, slots=True)
class Grain:
    """A roll-up's table, how long its periods are, and the fields of a kind that it tells apart.

    It is summed up from another grain's sums, whose periods and kinds are parts of its own, or from all that
    is known.
    """

    model: RollupTable
    seconds: int
    fields: frozenset[str]
    of: "Grain | None" = None

    def kind(self, kind: Kind) -> Kind:
        subscription, api, operation, product, user, country = kind
        has = self.fields.__contains__
        return (
            subscription if has("subscription_id") else NOBODY,
            api if has("api_id") else 0,
            operation if has("operation_id") else 0,
            product if has("product_id") else 0,
            user if has("user_id") else 0,
            country if has("country") else "",
        )


_ALL = frozenset({"pk", "subscription_id", "api_id", "operation_id", "product_id", "user_id"})
_OPERATION, _COUNTRY = frozenset({"api_id", "operation_id"}), frozenset({"api_id", "country"})
_API, _PRODUCT = frozenset({"api_id"}), frozenset({"product_id"})
_SUBSCRIPTION = frozenset({"subscription_id", "user_id"})

_USAGE_QUARTERS = Grain(UsageQuarter, QUARTER_SECONDS, _ALL)
_OPERATION_QUARTERS = Grain(OperationQuarter, QUARTER_SECONDS, _OPERATION, _USAGE_QUARTERS)
_API_QUARTERS = Grain(APIQuarter, QUARTER_SECONDS, _API, _OPERATION_QUARTERS)
_PRODUCT_QUARTERS = Grain(ProductQuarter, QUARTER_SECONDS, _PRODUCT, _USAGE_QUARTERS)
_COUNTRY_QUARTERS = Grain(CountryQuarter, QUARTER_SECONDS, _COUNTRY)
_TOTAL_QUARTERS = Grain(TotalQuarter, QUARTER_SECONDS, frozenset(), _PRODUCT_QUARTERS)
QUARTERS = (
    _TOTAL_QUARTERS,
    _PRODUCT_QUARTERS,
    _API_QUARTERS,
    _OPERATION_QUARTERS,
    _COUNTRY_QUARTERS,
    _USAGE_QUARTERS,
)
"""From the one that tells the least apart."""

DAYS = (
    Grain(TotalDay, DAY_SECONDS, frozenset(), _TOTAL_QUARTERS),
    Grain(ProductDay, DAY_SECONDS, _PRODUCT, _PRODUCT_QUARTERS),
    Grain(APIDay, DAY_SECONDS, _API, _API_QUARTERS),
    Grain(OperationDay, DAY_SECONDS, _OPERATION, _OPERATION_QUARTERS),
    Grain(CountryDay, DAY_SECONDS, _COUNTRY, _COUNTRY_QUARTERS),
    Grain(SubscriptionDay, DAY_SECONDS, _SUBSCRIPTION, _USAGE_QUARTERS),
    Grain(UsageDay, DAY_SECONDS, _ALL, _USAGE_QUARTERS),
)
"""In the same order."""

GRAINS = (*reversed(QUARTERS), *DAYS)


def settle(*, batches: int = BATCHES) -> int:
    """Add calls that wait to the roll-ups, those of so many batches at most; returns of how many."""
    with transaction.atomic():
        pending = list(PendingCalls.objects.select_for_update().order_by("pk")[:batches])
        add(sums.of(call for one in pending for call in sums.decode(bytes(one.calls))))
        PendingCalls.objects.filter(pk__in=[one.pk for one in pending]).delete()
    return len(pending)


def add(lines: Mapping[tuple[int, Kind], Sums]) -> None:
    """Add sums by quarter and kind to all roll-ups; in a transaction."""
    tables: dict[RollupTable, _Table] = {}
    for grain in GRAINS:
        table: _Table = defaultdict(lambda: defaultdict(Sums))
        tables[grain.model] = table
        if grain.of is None:
            for (quarter, kind), line in lines.items():
                table[quarter * grain.seconds][grain.kind(kind)].add(line)
        else:
            for part, by_kind in tables[grain.of.model].items():
                into = table[part // grain.seconds * grain.seconds]
                for kind, line in by_kind.items():
                    into[grain.kind(kind)].add(line)
    ids = _kind_ids({kind for table in tables.values() for by_kind in table.values() for kind in by_kind})
    for model, table in tables.items():
        _add(model, table, ids)


def _kind_ids(kinds: set[Kind]) -> dict[Kind, int]:
    """Of all these; rows of new kinds are made."""
    ids = _known_ids(kinds)
    new = sorted(kinds - ids.keys())
    if new:
        CallKind.objects.bulk_create([_kind_row(kind) for kind in new], ignore_conflicts=True)
        ids |= _known_ids(set(new))
    return ids


def _kind_row(kind: Kind) -> CallKind:
    subscription, api, operation, product, user, country = kind
    return CallKind(
        subscription_id=UUID(bytes=subscription),
        api_id=api,
        operation_id=operation,
        product_id=product,
        user_id=user,
        country=country,
    )


def _known_ids(kinds: set[Kind]) -> dict[Kind, int]:
    ids: dict[Kind, int] = {}
    for subscriptions in _slices(sorted({kind[0] for kind in kinds})):
        found = CallKind.objects.filter(subscription_id__in=[UUID(bytes=one) for one in subscriptions]).values_list(
            "pk", "subscription_id", "api_id", "operation_id", "product_id", "user_id", "country"
        )
        for pk, subscription, api, operation, product, user, country in found.iterator():
            ids[subscription.bytes, api, operation, product, user, country] = pk
    return ids


def _add(model: RollupTable, table: _Table, ids: Mapping[Kind, int]) -> None:
    changed: list[tuple[Any, ...]] = []
    for start in sorted(table):
        at, by_kind = sums.start_of(start), {ids[kind]: line for kind, line in table[start].items()}
        for some in _slices(sorted(by_kind)):
            stored = model._default_manager.filter(at=at, kind_id__in=some).values_list("kind_id", *SUM_FIELDS)
            for kind, *values in stored.iterator():
                by_kind[kind].add(_sums(values))
        changed.extend((at, kind, *_values(by_kind[kind])) for kind in sorted(by_kind))
    rows.put_rollups(model._meta.db_table, SUM_FIELDS, changed)


def _slices(ids: Sequence[_Id]) -> Iterator[Sequence[_Id]]:
    return (ids[start : start + _IDS_AT_ONCE] for start in range(0, len(ids), _IDS_AT_ONCE))


def _sums(values: list[Any]) -> Sums:
    """From the values of SUM_FIELDS."""
    success, blocked, failed, other, limited, received, sent, hits, misses, *times = values
    total_sum, total_min, total_max, total_histogram, calls, backend_sum, backend_min, backend_max, histogram = times
    classes = [success, blocked, failed, other]
    total = Times(sum(classes), total_sum, total_min, total_max, latency.decode([total_histogram]))
    backend = Times(
        calls, backend_sum, MOST if backend_min is None else backend_min, backend_max or 0, latency.decode([histogram])
    )
    return Sums(classes, limited, received, sent, hits, misses, total, backend)


def _values(line: Sums) -> tuple[Any, ...]:
    """Of SUM_FIELDS."""
    total, backend = line.total, line.backend
    return (
        *line.classes,
        line.limited,
        min(line.request_bytes, MOST),
        min(line.response_bytes, MOST),
        line.cache_hits,
        line.cache_misses,
        min(total.sum, MOST),
        total.min,
        min(total.max, MOST),
        latency.encode(total.buckets),
        backend.calls,
        min(backend.sum, MOST),
        backend.min if backend.calls else None,
        min(backend.max, MOST) if backend.calls else None,
        latency.encode(backend.buckets),
    )


def prune(now: datetime, *, days: int) -> int:
    """Delete roll-ups older than so many days; returns how many.

    Day by day, each in a transaction: where fewer days are kept than before, there are millions, and on
    SQLite nobody else can write meanwhile.
    """
    before = now - timedelta(days=days)
    deleted = 0
    for grain in GRAINS:
        # A day goes when all of its quarters have.
        end = before - timedelta(seconds=grain.seconds)
        rows = grain.model._default_manager
        while (first := rows.filter(at__lt=end).aggregate(at=Min("at"))["at"]) is not None:
            deleted += rows.filter(at__lt=min(first + timedelta(seconds=DAY_SECONDS), end)).delete()[0]
    return deleted
