"""What calls sum up to by API, operation, product, subscription and user, for pages that show all of these."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from analytics.reports.totals import Selection, Total, has_own_sums, totals

FIELDS = ("api_id", "operation_id", "product_id", "subscription_id", "user_id")

Groups = dict[int | UUID | str, "Line"]
"""By a field's value; zeros stand for none."""


@dataclass(slots=True)
class Line:
    """Sums of some calls; times are in microseconds."""

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


def breakdown(selection: Selection, fields: Collection[str] = FIELDS) -> dict[str, Groups]:
    """By each of these fields. What only the finest roll-ups tell is read from them once."""
    groups: dict[str, Groups] = {}
    together = [field for field in fields if not has_own_sums(selection, [field])]
    for field in fields:
        if field not in together:
            groups |= _grouped(selection, [field])
    return groups | (_grouped(selection, together) if together else {})


def by_country(selection: Selection) -> Groups:
    """Raises ValueError where the selection is by more than the API."""
    return _grouped(selection, ["country"])["country"]


def _grouped(selection: Selection, fields: list[str]) -> dict[str, Groups]:
    groups: dict[str, Groups] = {field: {} for field in fields}
    for key, total in totals(selection, fields).items():
        for found, value in zip(groups.values(), key, strict=True):
            if value not in found:
                found[value] = Line()
            found[value].add(total)
    return groups
