"""Where a subscription's limits stand, in words: what is left of each, and when it refills."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from analytics.limits import Limit, Standing
from apis.models import API, Operation
from gateway.catalogue.call_limits import KILOBYTE
from gateway.configuration.snapshot import Quota, RateLimit
from portal.limits import calls_per_period

_LABELS = {
    "rate": gettext_lazy("Left of the rate"),
    "quota": gettext_lazy("Left of the quota"),
    "bandwidth": gettext_lazy("Left of the bandwidth"),
}
# Sooner than that is told in seconds.
_SOON_SECONDS = 120


@dataclass(frozen=True, slots=True)
class LimitLine:
    """`of` is the API or operation that it is about; empty for all calls. `left` is empty where it is not known."""

    label: str
    of: str
    allowed: str
    left: str
    limit_units: int
    left_units: int
    refills: str
    refills_at: datetime | None
    is_used_up: bool


@dataclass(frozen=True, slots=True)
class LimitLines:
    """`as_of` is None where the gateway counts so now."""

    lines: tuple[LimitLine, ...]
    as_of: datetime | None


def limits_in_words(standings: Mapping[UUID, Standing]) -> dict[UUID, LimitLines]:
    """By subscription. Two queries at most, for the names of APIs and operations."""
    names = _Names.of(limit for standing in standings.values() for limit in standing.limits)
    return {
        subscription: LimitLines(
            tuple(_line(limit, standing, names) for limit in standing.limits),
            None if standing.is_live or not standing.limits else standing.as_of,
        )
        for subscription, standing in standings.items()
    }


@dataclass(frozen=True, slots=True)
class _Names:
    apis: dict[int, str]
    operations: dict[int, str]

    @classmethod
    def of(cls, limits: Iterable[Limit]) -> "_Names":
        inner = [limit for limit in limits if limit.api_id is not None]
        if not inner:
            return cls({}, {})
        apis = API.objects.filter(pk__in={limit.api_id for limit in inner if limit.api_id is not None})
        named = {limit.operation_id for limit in inner if limit.operation_id is not None}
        operations = Operation.objects.filter(pk__in=named)
        return cls(
            dict(apis.values_list("pk", "display_name")), dict(operations.order_by().values_list("pk", "display_name"))
        )

    def name(self, limit: Limit) -> str:
        if limit.operation_id is not None:
            return self.operations.get(limit.operation_id, str(limit.operation_id))
        return self.apis.get(limit.api_id, str(limit.api_id)) if limit.api_id is not None else ""


def _line(limit: Limit, standing: Standing, names: _Names) -> LimitLine:
    left = limit.left if limit.left is not None else 0
    return LimitLine(
        label=str(_LABELS[limit.kind]),
        of=names.name(limit),
        allowed=calls_per_period(_as_policy(limit)),
        left=_amount(limit, left) if limit.left is not None else "",
        limit_units=limit.limit,
        left_units=left,
        refills=_refills(limit, standing),
        refills_at=limit.resets_at,
        is_used_up=limit.left == 0,
    )


def _as_policy(limit: Limit) -> RateLimit | Quota:
    if limit.kind == "rate":
        return RateLimit(limit.limit, limit.period_seconds)
    if limit.kind == "quota":
        return Quota(limit.limit, limit.period_seconds)
    return Quota(None, limit.period_seconds, kilobytes=limit.limit // KILOBYTE)


def _amount(limit: Limit, amount: int) -> str:
    if limit.kind == "bandwidth":
        return _("%(count)s KB") % {"count": number_format(amount // KILOBYTE, force_grouping=True)}
    return number_format(amount, force_grouping=True)


def _refills(limit: Limit, standing: Standing) -> str:
    """Empty where `refills_at` says it, and where nothing is to be said."""
    if limit.resets_at is not None:
        seconds = round((limit.resets_at - standing.as_of).total_seconds())
        if not standing.is_live or seconds > _SOON_SECONDS:
            return ""
        text = ngettext("Refills in %(count)s second", "Refills in %(count)s seconds", seconds)
        return text % {"count": number_format(seconds)}
    if limit.left is None or limit.kind == "rate":
        return ""
    if not limit.period_seconds:
        return _("It is never refilled")
    return _("Its period begins with the next call") if limit.left == limit.limit else ""
