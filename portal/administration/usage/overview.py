"""The first page of the dashboard: the numbers, what they were over time, who made them, what has changed most."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from analytics import latency
from analytics.charts.time_axis import slots
from analytics.charts.units import COUNT
from analytics.charts.usage import (
    CLASSES,
    bandwidth_chart,
    cache_chart,
    calls_chart,
    means_chart,
    percentiles_chart,
)
from analytics.export import Format, download
from analytics.reports.breakdown import Groups, Line, breakdown, by_country
from analytics.reports.totals import SHARES, Total, by_bucket, latencies, percentiles
from portal.administration.usage.changes import Good, change
from portal.administration.usage.headline import Period, headlines
from portal.administration.usage.linked_rows import linked
from portal.administration.usage.over_time import over_time
from portal.administration.usage.page import Asked, context_of, usage_page
from portal.administration.usage.tables import DEFAULT_ORDER, MEASURES, Row, movers, ordered, rows

TOP = 10
MOVERS = 5
_MOVING = ("api", "operation", "subscription")


@usage_page
def overview(request: HttpRequest, asked: Asked) -> HttpResponseBase:
    buckets = asked.choice.buckets
    totals, times = by_bucket(asked.selection, buckets), latencies(asked.selection, buckets)
    if request.GET.get("format") in Format:
        return download(over_time(asked.choice, totals, times), Format(request.GET["format"]))
    groups = _groups(asked)
    now = Period(_sum(totals), _percentiles(times))
    before = _before(asked, groups)
    context = context_of(request, asked, _("Usage")) | {
        "headlines": [(one, asked.calls(**{"class": one.kind}) if one.kind else "") for one in headlines(now, before)],
        "charts": _charts(asked, totals, times),
        "classes": _classes(asked, now.line, before.line if before is not None else None),
        "codes": asked.table("code"),
        "tables": _tables(asked, groups),
        "movers": _movers(asked, groups) if asked.choice.compares else [],
        "compares": asked.choice.compares,
        "measures": MEASURES,
    }
    return render(request, "admin/usage/overview.html", context)


def _groups(asked: Asked) -> dict[str, tuple[Groups, Groups | None]]:
    """Now and before, by the field of the dimension."""
    now = breakdown(asked.selection)
    before = breakdown(asked.selection_before) if asked.selection_before is not None else None
    if asked.filters.tell_countries:
        now["country"] = by_country(asked.selection)
        if before is not None and asked.selection_before is not None:
            before["country"] = by_country(asked.selection_before)
    return {field: (lines, before[field] if before is not None else None) for field, lines in now.items()}


def _before(asked: Asked, groups: Mapping[str, tuple[Groups, Groups | None]]) -> Period | None:
    lines = groups["api_id"][1]
    if lines is None or asked.selection_before is None:
        return None
    return Period(_sum(lines.values()), percentiles(asked.selection_before).get((), {}))


def _percentiles(times: Iterable[latency.Buckets]) -> dict[float, float | None]:
    buckets: latency.Buckets = {}
    for one in times:
        latency.merge(buckets, one)
    return {share: latency.quantile(buckets, share) for share in SHARES}


def _sum(totals: Iterable[Total | Line]) -> Line:
    line = Line()
    for total in totals:
        line.add(total)
    return line


def _charts(asked: Asked, totals: list[Total], times: list[latency.Buckets]) -> Iterator[SafeString]:
    choice = asked.choice
    places = slots(choice.buckets, choice.step, choice.zone, choice.now, asked.bar)
    yield calls_chart(totals, places)
    yield percentiles_chart(times, places)
    yield bandwidth_chart(totals, places)
    yield means_chart(totals, places)
    if any(total.cache_hits or total.cache_misses for total in totals):
        yield cache_chart(totals, places)


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


def _tables(asked: Asked, groups: Mapping[str, tuple[Groups, Groups | None]]) -> Iterator[dict[str, Any]]:
    for name, dimension in asked.dimensions.items():
        if dimension.field in groups and dimension not in asked.filters.values:
            found = [row for row in rows(*groups[dimension.field]) if row.line.calls]
            top = ordered(found, DEFAULT_ORDER, dict)[:TOP]
            yield {
                "name": name,
                "dimension": dimension,
                "rows": linked(asked, dimension, top),
                "count": len(found),
                "all": asked.table(name),
            }


def _movers(asked: Asked, groups: Mapping[str, tuple[Groups, Groups | None]]) -> Iterator[dict[str, Any]]:
    for name in _MOVING:
        dimension = asked.dimensions.get(name)
        if dimension is not None and dimension not in asked.filters.values:
            found: list[Row] = movers(rows(*groups[dimension.field]), MOVERS)
            if found:
                yield {"dimension": dimension, "rows": linked(asked, dimension, found)}
