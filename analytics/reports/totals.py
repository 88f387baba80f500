"""What calls sum up to over any period, by what one asks for: from the roll-ups, the coarsest that can tell.

Whole days of UTC come from the sums by day, what is left at both ends from quarters of an hour.
"""

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

from django.db.models import Case, Max, Min, Q, QuerySet, Sum, When

from analytics import latency
from analytics.models import CallKind, UsageQuarter
from analytics.periods import Span
from analytics.rollups import DAYS, QUARTERS, SUM_OF_CALLS, Grain, RollupTable

QUARTER = timedelta(minutes=15)
_DAY = timedelta(days=1)
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
SHARES = (0.5, 0.95, 0.99)

Key: TypeAlias = tuple[int | UUID, ...]
_Group = TypeVar("_Group", bound=Hashable)
_COUNTS = (
    "success", "blocked", "failed", "other", "limited", "request_bytes", "response_bytes", "cache_hits", "cache_misses",
    "total_sum", "backend_calls", "backend_sum",
)  # fmt: skip
_AGGREGATES: dict[str, Any] = {f"{name}__": Sum(name) for name in _COUNTS} | {
    "total_min__": Min("total_min"),
    "total_max__": Max("total_max"),
    "backend_min__": Min("backend_min"),
    "backend_max__": Max("backend_max"),
}


@dataclass(slots=True)
class Total:
    """Sums of some calls; times are in microseconds, and None where there are no calls."""

    success: int = 0
    blocked: int = 0
    failed: int = 0
    other: int = 0
    limited: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    cache_hits: int = 0
    cache_misses: int = 0
    total_sum: int = 0
    backend_calls: int = 0
    backend_sum: int = 0
    total_min: int | None = None
    total_max: int | None = None
    backend_min: int | None = None
    backend_max: int | None = None

    @property
    def calls(self) -> int:
        return self.success + self.blocked + self.failed + self.other

    @property
    def bytes(self) -> int:
        """In both directions."""
        return self.request_bytes + self.response_bytes

    def add(self, other: "Total") -> None:
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name, best in (("total_min", min), ("total_max", max), ("backend_min", min), ("backend_max", max)):
            known = [value for value in (getattr(self, name), getattr(other, name)) if value is not None]
            setattr(self, name, best(known) if known else None)


@dataclass(frozen=True, slots=True)
class Selection:
    """Calls of quarters that begin in the span, and of kinds for which the conditions on CallKind hold."""

    span: Span
    kinds: Q = field(default_factory=Q)
    fields: frozenset[str] = frozenset()
    """The fields of CallKind that `kinds` looks at."""


def totals(selection: Selection, by: Sequence[str] = ()) -> dict[Key, Total]:
    """By fields of CallKind."""
    groups: dict[Key, list[Sequence[Any]]] = {}
    for values in sums(selection, by, _AGGREGATES):
        groups.setdefault(tuple(values[: len(by)]), []).append(values[len(by) :])
    return {key: _summed(parts) for key, parts in groups.items()}


def sums(selection: Selection, by: Sequence[str], columns: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
    """The values of these fields of CallKind, and the aggregates of Rollup; the same fields may come several times."""
    names = [f"kind__{name}" for name in by]
    for rows in _pieces(selection, by):
        if names:
            # All at once: a cursor on the server would keep PostgreSQL from working in parallel.
            yield from rows.values_list(*names).annotate(**columns)
        else:
            row = rows.aggregate(**columns)
            if any(value is not None for value in row.values()):
                yield [row[name] for name in columns]


def by_start(
    selection: Selection, start_of: Callable[[datetime], _Group], grains: Sequence[Grain] = QUARTERS
) -> dict[_Group, Total]:
    """Quarters, or days, that `start_of` gives the same are summed up."""
    groups: dict[_Group, list[Sequence[Any]]] = {}
    table = _table(grains, selection, ())
    for at, *values in _rows(table, selection, selection.span).values_list("at").annotate(**_AGGREGATES):
        groups.setdefault(start_of(at), []).append(values)
    return {start: _summed(rows) for start, rows in groups.items()}


def by_bucket(selection: Selection, buckets: Sequence[Span]) -> list[Total]:
    """One for each of these spans, which follow one another."""
    starts = [bucket.start for bucket in buckets]

    def place(at: datetime) -> int:
        number = bisect_right(starts, at) - 1
        return number if number >= 0 and at < buckets[number].end else -1

    found = by_start(selection, place, _grains_of(selection.span, *buckets))
    return [found.get(number, Total()) for number in range(len(buckets))]


def percentiles(
    selection: Selection, by: Sequence[str] = (), *, backend: bool = False
) -> dict[Key, dict[float, float | None]]:
    """The times of SHARES in microseconds, each within latency.RELATIVE_ERROR, by fields of CallKind."""
    parts: dict[Key, list[bytes]] = {}
    column = "backend_histogram" if backend else "total_histogram"
    for rows in _pieces(selection, by):
        for *key, histogram in rows.values_list(*(f"kind__{name}" for name in by), column).iterator():
            parts.setdefault(tuple(key), []).append(histogram)
    merged = {key: latency.decode(histograms) for key, histograms in parts.items()}
    return {key: {share: latency.quantile(buckets, share) for share in SHARES} for key, buckets in merged.items()}


def calls_by_bucket(selection: Selection, buckets: Sequence[Span], by: str) -> dict[int | UUID | str, list[int]]:
    """How many calls there were in each of these spans, which follow one another, by a field of CallKind."""
    position = Case(*(When(at__lt=bucket.end, then=number) for number, bucket in enumerate(buckets)))
    span = Span(buckets[0].start, buckets[-1].end)
    rows = _rows(_table(_grains_of(*buckets), selection, (by,)), selection, span)
    keys = rows.annotate(position=position).values_list(f"kind__{by}", "position")
    found: dict[int | UUID | str, list[int]] = {}
    for key, number, count in keys.annotate(calls=SUM_OF_CALLS):
        found.setdefault(key, [0] * len(buckets))[number] = int(count)
    return found


def latencies(selection: Selection, buckets: Sequence[Span], *, backend: bool = False) -> list[latency.Buckets]:
    """How the times of calls are distributed in each of these spans, which follow one another."""
    column = "backend_histogram" if backend else "total_histogram"
    table = _table(_grains_of(selection.span, *buckets), selection, ())
    rows = _rows(table, selection, selection.span).values_list("at", column)
    parts: list[list[bytes]] = [[] for _ in buckets]
    starts = [bucket.start for bucket in buckets]
    for at, histogram in rows:
        position = bisect_right(starts, at) - 1
        if position >= 0 and at < buckets[position].end:
            parts[position].append(histogram)
    return [latency.decode(histograms) for histograms in parts]


def has_own_sums(selection: Selection, by: Sequence[str]) -> bool:
    """Whether the answer is in smaller tables than those that tell all apart."""
    return _table(QUARTERS, selection, by) is not UsageQuarter


_Rows: TypeAlias = "QuerySet[Any]"


def _pieces(selection: Selection, by: Sequence[str]) -> Iterator[_Rows]:
    span, quarters = selection.span, _table(QUARTERS, selection, by)
    first, last = -(-(span.start - FIRST) // _DAY), (span.end - FIRST) // _DAY
    if first >= last:
        yield _rows(quarters, selection, span)
        return
    days = Span(FIRST + first * _DAY, FIRST + last * _DAY)
    yield _rows(_table(DAYS, selection, by), selection, days)
    for end in (Span(span.start, days.start), Span(days.end, span.end)):
        if end.start < end.end:
            yield _rows(quarters, selection, end)


def _grains_of(*spans: Span) -> Sequence[Grain]:
    """Days will do where all begin and end at midnight of UTC."""
    moments = (moment for span in spans for moment in (span.start, span.end))
    return QUARTERS if any((moment - FIRST) % _DAY for moment in moments) else DAYS


def _table(grains: Sequence[Grain], selection: Selection, by: Sequence[str]) -> RollupTable:
    """The smallest that tells apart what is asked for. Raises ValueError where there is none."""
    asked = selection.fields.union(by)
    for grain in grains:
        if asked <= grain.fields:
            return grain.model
    raise ValueError("Countries are told apart by API only.")


def _rows(table: RollupTable, selection: Selection, span: Span) -> _Rows:
    rows: _Rows = table._default_manager.filter(at__gte=span.start, at__lt=span.end).order_by()
    return rows.filter(kind__in=CallKind.objects.filter(selection.kinds)) if selection.fields else rows


def _summed(rows: Sequence[Sequence[Any]]) -> Total:
    """Of rows that hold _AGGREGATES. PostgreSQL's sums of bigint are decimals."""
    if len(rows) == 1:
        (row,) = rows
        return Total(*map(int, row[: len(_COUNTS)]), *row[len(_COUNTS) :])
    columns = list(zip(*rows, strict=True))
    counts = [int(sum(column)) for column in columns[: len(_COUNTS)]]
    known = [[value for value in column if value is not None] for column in columns[len(_COUNTS) :]]
    best = [pick(values) if values else None for pick, values in zip((min, max, min, max), known, strict=True)]
    return Total(*counts, *best)
