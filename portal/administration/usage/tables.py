"""Tables of usage by one dimension: a row for each API, operation and so on, with its change."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Any, TypeAlias

from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from analytics.export import Column, Kind, Table
from analytics.reports.breakdown import Groups, Line
from portal.administration.usage.changes import Change, change
from portal.administration.usage.dimensions import Dimension, Key, Name
from portal.units import BYTES, COUNT, MICROSECONDS, PERCENT

Before: TypeAlias = Mapping[Key, int] | None
"""How many calls there were in the period before, where it is compared."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one row shows; the links are put in by the page."""

    key: Key
    line: Line
    before: int | None
    """How many calls there were in the period before; None where it is not compared."""
    name: Name = field(default_factory=lambda: Name(""))
    share: float = 0
    """Of the calls of the busiest row."""
    link: str = ""
    calls_link: str = ""
    sparkline: SafeString | None = None

    @property
    def calls(self) -> str:
        return COUNT.exact(self.line.calls)

    @property
    def calls_before(self) -> str:
        return COUNT.exact(self.before)

    @property
    def change(self) -> Change | None:
        return change(self.line.calls, self.before)

    @property
    def difference(self) -> int:
        return self.line.calls - self.before if self.before is not None else 0

    @property
    def share_width(self) -> str:
        return f"{self.share * 100:.1f}%"

    @property
    def cells(self) -> list[str]:
        """What MEASURES has, for the columns."""
        return [measure.written(measure.value(self)) for measure in MEASURES.values()]


@dataclass(frozen=True, slots=True)
class Measure:
    """A column of numbers, by which a table can be ordered."""

    label: str | Promise
    value: Callable[[Row], float | None]
    written: Callable[[float | None], str]


def _percent(share: float | None) -> str:
    return PERCENT.short(share * 100 if share is not None else None)


MEASURES: Mapping[str, Measure] = {
    "failed": Measure(_("Failed"), lambda row: row.line.failed_share, _percent),
    "blocked": Measure(_("Blocked"), lambda row: row.line.blocked_share, _percent),
    "time": Measure(_("API time"), lambda row: row.line.mean_time, MICROSECONDS.short),
    "service": Measure(_("Service time"), lambda row: row.line.mean_backend_time, MICROSECONDS.short),
    "bytes": Measure(_("Bandwidth"), lambda row: row.line.bytes, BYTES.short),
}
_ORDERS: dict[str, Callable[[Row], Any]] = {
    "calls": lambda row: row.line.calls,
    "change": lambda row: row.difference,
    **{name: measure.value for name, measure in MEASURES.items()},
}
ORDERS = ("name", *_ORDERS)
DEFAULT_ORDER = "-calls"


def rows(now: Groups, before: Before, keys: Iterable[Key] | None = None) -> list[Row]:
    """Of these keys, or of all. Without names: a few are shown, and all would be many."""
    busiest = max((line.calls for line in now.values()), default=0)
    nothing = Line()
    return [
        Row(
            key,
            now.get(key, nothing),
            before.get(key, 0) if before is not None else None,
            share=now[key].calls / busiest if busiest and key in now else 0,
        )
        for key in (now.keys() | (before or {}).keys() if keys is None else keys)
    ]


def top(now: Groups, before: Before, count: int) -> list[Row]:
    """Those with the most calls."""
    calls = {key: line.calls for key, line in now.items() if line.calls}
    return rows(now, before, _first(calls, count))


def movers(now: Groups, before: Mapping[Key, int], count: int) -> list[Row]:
    """Whose calls have changed most, up or down."""
    changes = Counter({key: line.calls for key, line in now.items()})
    changes.subtract(before)
    return rows(now, before, _first({key: abs(change) for key, change in changes.items() if change}, count))


def _first(values: Mapping[Key, int], count: int) -> list[Key]:
    return nsmallest(count, values, key=lambda key: (-values[key], str(key)))


def ordered(found: Sequence[Row], order: str, names: Callable[[], Mapping[Key, Name]]) -> list[Row]:
    """By one of ORDERS, descending where it begins with a minus; rows that have no such value come last."""
    name, is_descending = order.removeprefix("-"), order.startswith("-")
    if name == "name":
        known = names()
        return sorted(found, key=lambda row: (known[row.key].text.casefold(), str(row.key)), reverse=is_descending)
    value = _ORDERS[name]
    first = sorted(found, key=lambda row: (-row.line.calls, str(row.key)))
    known_rows = [row for row in first if value(row) is not None]
    return sorted(known_rows, key=value, reverse=is_descending) + [row for row in first if value(row) is None]


def exported(name: str, dimension: Dimension, found: Sequence[Row], names: Mapping[Key, Name]) -> Table:
    columns = [
        Column(dimension.name),
        Column("name"),
        Column("note"),
        Column("calls", Kind.INTEGER),
        Column("calls_before", Kind.INTEGER),
        Column("successful", Kind.INTEGER),
        Column("blocked", Kind.INTEGER),
        Column("failed", Kind.INTEGER),
        Column("other", Kind.INTEGER),
        Column("api_time_mean_ms", Kind.REAL),
        Column("service_time_mean_ms", Kind.REAL),
        Column("bytes", Kind.INTEGER),
        Column("cache_hits", Kind.INTEGER),
        Column("cache_misses", Kind.INTEGER),
    ]
    return Table(name, columns, (_exported_row(row, names[row.key]) for row in found))


def _exported_row(row: Row, name: Name) -> list[Any]:
    line = row.line
    return [
        str(row.key),
        name.text,
        name.note,
        line.calls,
        row.before,
        line.success,
        line.blocked,
        line.failed,
        line.other,
        _milliseconds(line.mean_time),
        _milliseconds(line.mean_backend_time),
        line.bytes,
        line.cache_hits,
        line.cache_misses,
    ]


def _milliseconds(microseconds: float | None) -> float | None:
    return round(microseconds / 1000, 3) if microseconds is not None else None
