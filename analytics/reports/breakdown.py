"""What calls sum up to by API, operation, product, subscription, user and country, for pages that show many."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from django.db.models import Sum

from analytics.reports.totals import Selection, Total, has_own_sums, sums
from analytics.rollups import SUM_OF_CALLS

FIELDS = ("api_id", "operation_id", "product_id", "subscription_id", "user_id")

Key: TypeAlias = int | UUID | str
Groups: TypeAlias = "dict[Key, Line]"
"""By a field's value; zeros stand for none."""

_CALLS = {"calls__": SUM_OF_CALLS}
_LINE = {
    "success__": Sum("success"),
    "blocked__": Sum("blocked"),
    "failed__": Sum("failed"),
    "other__": Sum("other"),
    "bytes__": Sum("request_bytes") + Sum("response_bytes"),
    "total_sum__": Sum("total_sum"),
    "backend_calls__": Sum("backend_calls"),
    "backend_sum__": Sum("backend_sum"),
    "cache_hits__": Sum("cache_hits"),
    "cache_misses__": Sum("cache_misses"),
}


@dataclass(slots=True)
class Line:
    """Sums of some calls, in the order of _LINE; times are in microseconds."""

    success: int = 0
    blocked: int = 0
    failed: int = 0
    other: int = 0
    bytes: int = 0
    total_sum: int = 0
    backend_calls: int = 0
    backend_sum: int = 0
    cache_hits: int = 0
    cache_misses: int = 0

    @property
    def calls(self) -> int:
        return self.success + self.blocked + self.failed + self.other

    @property
    def failed_share(self) -> float | None:
        return self.failed / self.calls if self.calls else None

    @property
    def blocked_share(self) -> float | None:
        return self.blocked / self.calls if self.calls else None

    @property
    def mean_time(self) -> float | None:
        return self.total_sum / self.calls if self.calls else None

    @property
    def mean_backend_time(self) -> float | None:
        return self.backend_sum / self.backend_calls if self.backend_calls else None

    def add(self, total: "Total | Line") -> None:
        self.success += total.success
        self.blocked += total.blocked
        self.failed += total.failed
        self.other += total.other
        self.bytes += total.bytes
        self.total_sum += total.total_sum
        self.backend_calls += total.backend_calls
        self.backend_sum += total.backend_sum
        self.cache_hits += total.cache_hits
        self.cache_misses += total.cache_misses


def breakdown(selection: Selection, fields: Sequence[str] = FIELDS) -> dict[str, Groups]:
    """By each of these fields. Raises ValueError for the country where the selection is by more than the API."""
    found: dict[str, dict[Key, list[Sequence[Any]]]] = {field: {} for field in fields}
    for field, key, values in _sums(selection, fields, _LINE):
        found[field].setdefault(key, []).append(values)
    return {field: {key: _line(parts) for key, parts in groups.items()} for field, groups in found.items()}


def calls(selection: Selection, fields: Sequence[str] = FIELDS) -> dict[str, Counter[Key]]:
    """How many there were by each of these fields; else as `breakdown`, and sooner."""
    found: dict[str, Counter[Key]] = {field: Counter() for field in fields}
    for field, key, (count,) in _sums(selection, fields, _CALLS):
        found[field][key] += int(count)
    return found


def _sums(
    selection: Selection, fields: Sequence[str], columns: Mapping[str, Any]
) -> Iterator[tuple[str, Key, Sequence[Any]]]:
    """The field, its value, and these sums. What only the finest roll-ups tell is read from them once."""
    together = [field for field in fields if not has_own_sums(selection, [field])]
    for by in [*([field] for field in fields if field not in together), *([together] if together else [])]:
        for row in sums(selection, by, columns):
            for field, key in zip(by, row, strict=False):
                yield field, key, row[len(by) :]


def _line(parts: Sequence[Sequence[Any]]) -> Line:
    """PostgreSQL's sums of bigint are decimals."""
    return Line(*map(int, parts[0] if len(parts) == 1 else map(sum, zip(*parts, strict=True))))
