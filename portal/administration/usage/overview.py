"""The first page of the dashboard: the numbers, and what they were over time."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from analytics import latency
from analytics.charts.time_axis import slots
from analytics.charts.usage import (
    CLASSES,
    bandwidth_chart,
    cache_chart,
    calls_chart,
    means_chart,
    percentiles_chart,
)
from analytics.export import download
from analytics.reports.breakdown import Line
from analytics.reports.totals import SHARES, Total, by_bucket, latencies, percentiles, totals
from portal.administration.usage.changes import Good, change
from portal.administration.usage.headline import Period, headlines
from portal.administration.usage.over_time import over_time
from portal.administration.usage.page import Asked, context_of, usage_page
from portal.units import COUNT


@usage_page
def overview(request: HttpRequest, asked: Asked) -> HttpResponseBase:
    buckets = asked.choice.buckets
    sums, times = by_bucket(asked.selection, buckets), latencies(asked.selection, buckets)
    if (format := asked.file_format(request)) is not None:
        return download(over_time(asked.choice, sums, times), format)
    now = Period(_sum(sums), _percentiles(times))
    before = _before(asked)
    context = context_of(request, asked, _("Usage")) | {
        "headlines": [(one, asked.calls(**{"class": one.kind}) if one.kind else "") for one in headlines(now, before)],
        "charts": _charts(asked, sums, times),
        "classes": _classes(asked, now.line, before.line if before is not None else None),
        "codes": asked.table("code"),
        "compares": asked.choice.compares,
    }
    return render(request, "admin/usage/overview.html", context)


def _before(asked: Asked) -> Period | None:
    selection = asked.selection_before
    if selection is None:
        return None
    return Period(_sum(totals(selection).values()), percentiles(selection).get((), {}))


def _percentiles(times: Iterable[latency.Buckets]) -> dict[float, float | None]:
    buckets: latency.Buckets = {}
    for one in times:
        latency.merge(buckets, one)
    return {share: latency.quantile(buckets, share) for share in SHARES}


def _sum(found: Iterable[Total]) -> Line:
    line = Line()
    for total in found:
        line.add(total)
    return line


def _charts(asked: Asked, sums: list[Total], times: list[latency.Buckets]) -> Iterator[SafeString]:
    choice = asked.choice
    places = slots(choice.buckets, choice.step, choice.zone, choice.now, asked.bar)
    yield calls_chart(sums, places)
    yield percentiles_chart(times, places)
    yield bandwidth_chart(sums, places)
    yield means_chart(sums, places)
    if any(total.cache_hits or total.cache_misses for total in sums):
        yield cache_chart(sums, places)


def _classes(asked: Asked, now: Line, before: Line | None) -> list[dict[str, Any]]:
    """By status, as Azure sorts it."""
    codes = {
        "success": _("up to 301, 304, 307"),
        "blocked": "401, 403, 429",
        "failed": "400, 5xx",
        "other": _("others"),
    }
    good = {"success": Good.UP, "other": Good.NEITHER}
    return [
        {
            "look": name,
            "label": CLASSES[name],
            "codes": codes[name],
            "calls": COUNT.exact(getattr(now, name)),
            "change": change(getattr(now, name), getattr(before, name), good.get(name, Good.DOWN)) if before else None,
            "link": asked.calls(**{"class": name}),
        }
        for name in codes
    ]
