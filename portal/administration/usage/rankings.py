"""Who made the calls, and what has changed most: what takes longest of the dashboard, and so comes after it."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _

from analytics.reports.breakdown import FIELDS, Groups, breakdown, calls
from portal.administration.usage.linked_rows import linked
from portal.administration.usage.page import Asked, context_of, usage_page
from portal.administration.usage.tables import MEASURES, Before, movers, top

TOP = 10
MOVERS = 5
_MOVING = ("api", "operation", "subscription")


@usage_page
def rankings(request: HttpRequest, asked: Asked) -> HttpResponseBase:
    """A page, or for htmx what the first page of the dashboard takes of it."""
    groups = _groups(asked)
    tables = list(_tables(asked, groups))
    found = {
        "tables": tables,
        "has_calls": any(table["rows"] for table in tables),
        "movers": list(_movers(asked, groups)) if asked.choice.compares else [],
        "compares": asked.choice.compares,
        "measures": MEASURES,
    }
    if request.headers.get("HX-Request"):
        return render(request, "admin/usage/_rankings.html", found | {"is_part": True})
    title = _("Who called, and what changed most")
    return render(request, "admin/usage/rankings.html", context_of(request, asked, title) | found)


def _groups(asked: Asked) -> dict[str, tuple[Groups, Before]]:
    """Now, and how many calls there were before, by the field of the dimension."""
    fields = [*FIELDS, "country"] if asked.filters.tell_countries else FIELDS
    now = breakdown(asked.selection, fields)
    before = calls(asked.selection_before, fields) if asked.selection_before is not None else None
    return {field: (lines, before[field] if before is not None else None) for field, lines in now.items()}


def _tables(asked: Asked, groups: Mapping[str, tuple[Groups, Before]]) -> Iterator[dict[str, Any]]:
    for name, dimension in asked.dimensions.items():
        if dimension.field in groups and dimension not in asked.filters.values:
            now, before = groups[dimension.field]
            yield {
                "name": name,
                "dimension": dimension,
                "rows": linked(asked, dimension, top(now, before, TOP)),
                "count": sum(line.calls > 0 for line in now.values()),
                "all": asked.table(name),
            }


def _movers(asked: Asked, groups: Mapping[str, tuple[Groups, Before]]) -> Iterator[dict[str, Any]]:
    for name in _MOVING:
        dimension = asked.dimensions.get(name)
        if dimension is not None and dimension not in asked.filters.values:
            now, before = groups[dimension.field]
            if found := movers(now, before or {}, MOVERS):
                yield {"dimension": dimension, "rows": linked(asked, dimension, found)}
