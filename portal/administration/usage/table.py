"""All rows of one dimension: in any order, page by page, and as a file."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from analytics.charts.sparkline import sparkline
from analytics.export import download
from analytics.period_words import latest_in_words
from analytics.reports.breakdown import Groups, breakdown, calls
from analytics.reports.codes import LATEST, by_code
from analytics.reports.totals import calls_by_bucket
from portal.administration.usage.dimensions import Dimension, Key
from portal.administration.usage.linked_rows import linked
from portal.administration.usage.page import Asked, context_of, usage_page
from portal.administration.usage.tables import DEFAULT_ORDER, MEASURES, ORDERS, Before, exported, ordered, rows
from portal.units import COUNT

ROWS = 50
# These have roll-ups of their own, small enough to be read for each row.
_WITH_SPARKLINES = ("api", "product")


@usage_page
def table(request: HttpRequest, asked: Asked, *, name: str) -> HttpResponseBase:
    dimension = asked.dimensions.get(name)
    if dimension is None or (name == "country" and not asked.filters.tell_countries):
        raise Http404
    order = request.GET.get("order", DEFAULT_ORDER)
    if order.removeprefix("-") not in ORDERS:
        order = DEFAULT_ORDER
    groups, before, since = _groups(asked, dimension)
    found = rows(groups, before)
    found = ordered(found, order, lambda: dimension.names([row.key for row in found]))
    if (format := asked.file_format(request)) is not None:
        begin = (since or asked.choice.span.start).astimezone(asked.choice.zone)
        names = dimension.names([row.key for row in found])
        file_name = f"usage-by-{name}-from-{begin:%Y-%m-%d}{f'{begin:-%H%M%S}' if since else ''}"
        file = exported(file_name, dimension, found, names)
        return download(file, format)
    page = Paginator(found, ROWS).get_page(request.GET.get("page"))
    shown = list(page.object_list)
    sparklines = _sparklines(asked, dimension, [row.key for row in shown])
    context = context_of(request, asked, _("Usage by %(dimension)s") % {"dimension": dimension.label}) | {
        "dimension": dimension,
        "compares": before is not None,
        "counted": _counted(since) if dimension.name == "code" else "",
        "rows": linked(asked, dimension, shown, sparklines),
        "has_sparklines": bool(sparklines),
        "page": page,
        "columns": _columns(asked, order, compares=before is not None),
        "here": f"?{urlencode(asked.query | {'order': order})}",
        "kept": asked.query | {"order": order},
    }
    return render(request, "admin/usage/table.html", context)


def _groups(asked: Asked, dimension: Dimension) -> tuple[Groups, Before, datetime | None]:
    """Now, before, and since when if not of the whole period."""
    if dimension.name == "code":
        fields = {one.field: value for one, value in asked.filters.values.items()}
        now = by_code(asked.choice.span, fields)
        before = by_code(asked.choice.before, fields) if asked.choice.compares and now.since is None else None
        if before is None or before.since is not None:
            return now.groups, None, now.since
        return now.groups, {key: line.calls for key, line in before.groups.items()}, None
    field, earlier = dimension.field, asked.selection_before
    found = breakdown(asked.selection, [field])[field]
    return found, calls(earlier, [field])[field] if earlier is not None else None, None


def _sparklines(asked: Asked, dimension: Dimension, keys: Sequence[Key]) -> dict[Key, SafeString]:
    if dimension.name not in _WITH_SPARKLINES or set(asked.filters.values) - {dimension}:
        return {}
    found = calls_by_bucket(asked.selection, asked.choice.buckets, dimension.field)
    nothing = [0] * len(asked.choice.buckets)
    return {key: sparkline(values, _in_words(values)) for key in keys if (values := found.get(key, nothing))}


def _in_words(values: Sequence[int]) -> str:
    texts = {"first": COUNT.exact(values[0]), "last": COUNT.exact(values[-1]), "most": COUNT.exact(max(values))}
    return _("Calls over time: %(first)s at first, %(most)s at most, %(last)s in the end") % texts


def _counted(since: datetime | None) -> str:
    kept = ngettext(
        "Counted from single calls, which are kept for %(days)d day.",
        "Counted from single calls, which are kept for %(days)d days.",
        settings.RAW_CALL_DAYS,
    ) % {"days": settings.RAW_CALL_DAYS}
    return kept if since is None else f"{kept} {latest_in_words(LATEST, since)}"


def _columns(asked: Asked, order: str, *, compares: bool) -> list[dict[str, Any]]:
    """Their headings, and the address that orders by each, the other way if it does already."""
    labels = {"name": _("Name"), "calls": _("Calls")}
    if compares:
        labels["change"] = pgettext("of a number", "Change")
    labels |= {name: str(measure.label) for name, measure in MEASURES.items()}
    return [
        {
            "label": label,
            "link": f"?{urlencode(asked.query | {'order': _turned(name, order)})}",
            "sort": {name: "ascending", f"-{name}": "descending"}.get(order, "none"),
        }
        for name, label in labels.items()
    ]


def _turned(name: str, order: str) -> str:
    if order in (name, f"-{name}"):
        return name if order.startswith("-") else f"-{name}"
    return name if name == "name" else f"-{name}"
