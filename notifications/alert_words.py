"""What people read of an alert, in the language that is active: its measure, its values, what it watches.

`data` is that of the events `alert.fired` and `alert.resolved`.
"""

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from portal.units import PERCENT

DECIMALS = 2


class Metric(models.TextChoices):
    """What a rule watches."""

    ERROR_RATE = "errorRate", gettext_lazy("Failed calls, in percent of all")
    P95 = "p95", gettext_lazy("Time of the slowest 5 % of calls, in milliseconds")
    CALLS = "calls", gettext_lazy("Fewer calls than")
    QUOTA = "quota", gettext_lazy("Used of a quota, in percent")


_SHORT = {
    Metric.ERROR_RATE: gettext_lazy("failed calls"),
    Metric.P95: gettext_lazy("95th percentile of the time"),
    Metric.CALLS: gettext_lazy("number of calls"),
    Metric.QUOTA: gettext_lazy("used of the quota"),
}
_MINUTES_OF_AN_HOUR = 60


def measure(metric: str) -> str:
    """Such as "failed calls"; whoever comes after this release may know more measures."""
    return str(_SHORT[Metric(metric)]) if metric in Metric else metric


def amount(metric: str, value: float | None) -> str:
    """A value with its unit, such as "12.5 %"; empty for none."""
    if value is None:
        return ""
    if metric in (Metric.ERROR_RATE, Metric.QUOTA):
        return PERCENT.short(value)
    if metric == Metric.P95:
        return _("%(number)s ms") % {"number": _number(value)}
    return _number(value)


def _number(value: float) -> str:
    rounded = round(value, DECIMALS)
    decimals = 0 if rounded == int(rounded) else DECIMALS
    return formats.number_format(rounded, decimals, force_grouping=True)


def period(minutes: int) -> str:
    """Such as "15 minutes" or "2 hours"."""
    if minutes % _MINUTES_OF_AN_HOUR == 0:
        hours = minutes // _MINUTES_OF_AN_HOUR
        return ngettext("%(count)s hour", "%(count)s hours", hours) % {"count": hours}
    return ngettext("%(count)s minute", "%(count)s minutes", minutes) % {"count": minutes}


def watched(metric: str, name: str) -> str:
    """What a rule is about: the name of an API, product or subscription, or all."""
    return name or (_("All subscriptions") if metric == Metric.QUOTA else _("All calls"))


def values_of(data: Mapping[str, Any]) -> dict[str, str]:
    """The values of an alert mail's own parameters."""
    metric = str(data.get("metric", ""))
    return {
        "alert": str(data.get("alert_name", "")),
        "measure": measure(metric),
        "value": amount(metric, data.get("value")),
        "threshold": amount(metric, data.get("threshold")),
        "period": period(int(data.get("window_minutes", 0))),
        "watched": watched(metric, str(data.get("watched", ""))),
        "note": str(data.get("note", "")),
    }
