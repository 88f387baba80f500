"""What calls sum up to by API, operation, product, subscription and user, all from one reading of the roll-ups."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from analytics.models import CallKind
from analytics.reports.totals import Selection, Total, totals

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


def breakdown(selection: Selection) -> dict[str, Groups]:
    """By each of FIELDS. Two queries, and time by the number of kinds of calls."""
    groups: dict[str, Groups] = {field: {} for field in FIELDS}
    for values, total in _by_kind(selection):
        for field, value in zip(FIELDS, values, strict=True):
            found = groups[field]
            if value not in found:
                found[value] = Line()
            found[value].add(total)
    return groups


def by_country(selection: Selection) -> Groups:
    """Raises ValueError where the selection is by more than the API."""
    groups: Groups = {}
    for (country,), total in totals(selection, ["country"]).items():
        groups.setdefault(country, Line()).add(total)
    return groups


def _by_kind(selection: Selection) -> Iterator[tuple[tuple[int | UUID, ...], Total]]:
    found: Mapping[tuple[int | UUID, ...], Total] = totals(selection, ["pk"])
    # All of them: their numbers would be too many for the parameters of a query.
    kinds = CallKind.objects.filter(selection.kinds).values_list("pk", *FIELDS)
    for pk, *values in kinds:
        total = found.get((pk,))
        if total is not None:
            yield tuple(values), total
