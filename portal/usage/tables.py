"""The rows of the usage page: what was called how often, and what went wrong, each with where it leads."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import User
from analytics.charts.usage import percentile_name
from analytics.explanation import Hop, of_backend, of_reason
from analytics.reports.totals import Total
from portal.units import BYTES, COUNT, MICROSECONDS
from portal.usage.asked import Asked
from portal.usage.failed import BACKEND, Failures
from portal.usage.own import Names
from portal.usage.summary import Summary

MOST_ROWS = 50
_FIGURES_OF_LATENCY = (0.5, 0.95)


@dataclass(frozen=True, slots=True)
class Row:
    """`note` tells it from others of that name; `url` is its page, empty where the reader may not open it."""

    name: str
    note: str
    url: str
    failed_url: str
    total: Total

    @property
    def counts(self) -> tuple[str, ...]:
        total = self.total
        return tuple(map(COUNT.exact, (total.calls, total.success, total.blocked, total.failed, total.other)))

    @property
    def mean_time(self) -> str:
        return MICROSECONDS.short(self.total.total_sum / self.total.calls if self.total.calls else None)

    @property
    def has_failed(self) -> bool:
        return self.total.success < self.total.calls


@dataclass(frozen=True, slots=True)
class Table:
    """`all` is what `rows` are the first of."""

    name: str
    title: str
    what: str
    rows: Sequence[Row]
    all: Sequence[object]

    @property
    def more(self) -> int:
        """How many are left out: those that were called least."""
        return len(self.all) - len(self.rows)


@dataclass(frozen=True, slots=True)
class FailureRow:
    title: str
    hop: Hop
    status: int
    calls: str
    url: str


def figures(summary: Summary) -> list[tuple[str, str]]:
    """Labels and values."""
    total = summary.all
    counts = (
        (_("Calls"), total.calls),
        (_("Successful"), total.success),
        (_("Blocked"), total.blocked),
        (_("Failed"), total.failed),
        (_("Other"), total.other),
    )
    found = [(label, COUNT.exact(count)) for label, count in counts]
    found.append((_("Bandwidth"), BYTES.short(total.request_bytes + total.response_bytes)))
    for share in _FIGURES_OF_LATENCY:
        label = _("Latency, %(percentile)s") % {"percentile": percentile_name(share)}
        found.append((label, MICROSECONDS.short(summary.latency[share])))
    return found


def tables(user: User, asked: Asked, summary: Summary) -> list[Table]:
    operations = [operation for (_api, operation), _total in summary.by_operation]
    names = Names.read_by(user, asked.own, [api for api, _total in summary.by_api], operations)
    by_subscription = [
        Row(
            asked.own.subscriptions[pk].display_name,
            asked.own.subscriptions[pk].scope_name,
            reverse("portal:subscription", args=[pk]),
            asked.failed_url({"subscription": str(pk)}),
            total,
        )
        for pk, total in summary.by_subscription[:MOST_ROWS]
    ]
    by_api = [
        Row(names.api(pk), "", names.api_url(pk), asked.failed_url({"api": str(pk)}), total)
        for pk, total in summary.by_api[:MOST_ROWS]
    ]
    by_operation = [
        Row(names.operation(pk), names.api(api), names.operation_url(pk), asked.failed_url({"api": str(api)}), total)
        for (api, pk), total in summary.by_operation[:MOST_ROWS]
    ]
    return [
        Table("by-subscription", _("By subscription"), _("Subscription"), by_subscription, summary.by_subscription),
        Table("by-api", _("By API"), _("API"), by_api, summary.by_api),
        Table("by-operation", _("By operation"), _("Operation"), by_operation, summary.by_operation),
    ]


def failure_rows(asked: Asked, found: Sequence[Failures]) -> list[FailureRow]:
    rows = []
    for one in found[:MOST_ROWS]:
        words = of_reason(one.reason) if one.reason else of_backend(one.status)
        url = asked.failed_url({"reason": one.reason or BACKEND, "status": str(one.status)})
        rows.append(FailureRow(str(words.title), words.hop, one.status, COUNT.exact(one.calls), url))
    return rows
