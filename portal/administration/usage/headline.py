"""The numbers at the top of the dashboard."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from analytics.charts.usage import percentile_name
from analytics.reports.breakdown import Line
from analytics.reports.totals import SHARES
from portal.administration.usage.changes import Change, Good, change
from portal.units import BYTES, COUNT, MICROSECONDS, PERCENT


@dataclass(frozen=True, slots=True)
class Headline:
    label: str
    value: str
    before: str
    change: Change | None
    kind: str = ""
    """The class of calls that it counts."""


@dataclass(frozen=True, slots=True)
class Period:
    """All calls of a period, and their times by SHARES in microseconds."""

    line: Line
    times: Mapping[float, float | None]


def headlines(now: Period, before: Period | None) -> list[Headline]:
    found = [
        _headline(_("Calls"), COUNT.exact, lambda period: period.line.calls, now, before),
        _headline(_("Failed"), _percent, lambda period: period.line.failed_share, now, before, Good.DOWN, "failed"),
        _headline(_("Blocked"), _percent, lambda period: period.line.blocked_share, now, before, Good.DOWN, "blocked"),
    ]
    found += [
        _headline(
            _("Latency, %(percentile)s") % {"percentile": percentile_name(share)},
            MICROSECONDS.short,
            lambda period, share=share: period.times.get(share),  # type: ignore[misc]
            now,
            before,
            Good.DOWN,
        )
        for share in SHARES
    ]
    return [
        *found,
        _headline(
            _("Service time, mean"), MICROSECONDS.short, lambda one: one.line.mean_backend_time, now, before, Good.DOWN
        ),
        _headline(_("Bandwidth"), BYTES.short, lambda period: period.line.bytes, now, before),
        _headline(_("Cache hits"), _percent, _hit_share, now, before, Good.UP),
    ]


def _headline(
    label: str,
    written: Callable[[float | None], str],
    value: Callable[[Period], float | None],
    now: Period,
    before: Period | None,
    good: Good = Good.NEITHER,
    kind: str = "",
) -> Headline:
    number = value(now)
    if before is None:
        return Headline(label, written(number), "", None, kind)
    return Headline(label, written(number), written(value(before)), change(number, value(before), good), kind)


def _percent(share: float | None) -> str:
    return PERCENT.short(share * 100 if share is not None else None)


def _hit_share(period: Period) -> float | None:
    asked = period.line.cache_hits + period.line.cache_misses
    return period.line.cache_hits / asked if asked else None
