"""What each page of the dashboard begins with: who looks, at which period, at which calls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from analytics.export import Format
from analytics.periods import Span
from analytics.picker import Choice, choose, menu, moments
from analytics.reports.breakdown import FIELDS
from analytics.reports.totals import Selection
from portal.administration.usage.dimensions import Dimension, Key, allowed
from portal.administration.usage.filters import Filters, read

# What the list of calls calls a country that is not known.
NOT_KNOWN = "none"

View = Callable[..., HttpResponseBase]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of a page says."""

    choice: Choice
    filters: Filters
    dimensions: Mapping[str, Dimension]

    @property
    def selection(self) -> Selection:
        return self.filters.selection(self.choice.span)

    @property
    def selection_before(self) -> Selection | None:
        return self.filters.selection(self.choice.before) if self.choice.compares else None

    @property
    def query(self) -> dict[str, str]:
        return self.choice.query | self.filters.query

    def file_format(self, request: HttpRequest) -> Format | None:
        """None for a page, which tells what of its address could not be used; a file could not."""
        wanted = request.GET.get("format", "")
        if wanted not in Format or self.choice.problems or self.filters.problems:
            return None
        return Format(wanted)

    def overview(self, **chosen: str) -> str:
        return f"{reverse('usage:overview')}?{urlencode(self.query | chosen)}"

    @property
    def rankings(self) -> str:
        return f"{reverse('usage:rankings')}?{urlencode(self.query)}"

    def table(self, name: str) -> str:
        return f"{reverse('usage:table', args=[name])}?{urlencode(self.query)}"

    def calls(self, **chosen: str) -> str:
        """The list of single calls."""
        return f"{reverse('admin:analytics_call_changelist')}?{urlencode(self.query | chosen)}"

    def narrowed(self, dimension: Dimension, key: Key) -> str:
        """To one row of a table. Countries and response codes are told apart in the list of calls only."""
        if dimension.field not in FIELDS:
            return self.calls_of(dimension, key)
        return self.overview(**{dimension.name: str(key)})

    def calls_of(self, dimension: Dimension, key: Key) -> str:
        return self.calls(**{dimension.name: str(key) or NOT_KNOWN})

    def bar(self, span: Span) -> str:
        """The calls of one bar or, where they are not kept any more, its own bars."""
        if span.end <= self._kept_from():
            return self.overview(**moments(span))
        return self.calls(**moments(span))

    def _kept_from(self) -> datetime:
        return self.choice.now - timedelta(days=settings.RAW_CALL_DAYS)


def usage_page(view: View) -> View:
    """For those who may see calls; the view gets what was asked."""

    @wraps(view)
    def answer(request: HttpRequest, **values: Any) -> HttpResponseBase:
        if not request.user.has_perm("analytics.view_call"):
            raise PermissionDenied
        dimensions = allowed(request)
        choice = choose(request.GET, timezone.now(), timezone.get_current_timezone())
        return view(request, Asked(choice, read(request.GET, dimensions), dimensions), **values)

    wrapped: View = admin.site.admin_view(answer)
    return wrapped


def context_of(request: HttpRequest, asked: Asked, title: str) -> dict[str, Any]:
    return {
        **admin.site.each_context(request),
        "title": title,
        "picker": menu(asked.choice, asked.filters.query),
        "asked": asked,
        "problems": asked.filters.problems,
        "filters": _filters(asked),
        "tabs": _tabs(request, asked),
        "formats": Format,
    }


def _filters(asked: Asked) -> list[dict[str, str]]:
    """What each filter is, and the address without it."""
    return [
        {
            "label": str(dimension.label),
            "value": dimension.names([value])[value].text,
            "without": f"?{urlencode(asked.choice.query | asked.filters.without(dimension))}",
        }
        for dimension, value in asked.filters.values.items()
    ]


def _tabs(request: HttpRequest, asked: Asked) -> list[dict[str, Any]]:
    links = [(_("Overview"), asked.overview())]
    links += [
        (str(dimension.plural), asked.table(name))
        for name, dimension in asked.dimensions.items()
        if name != "country" or asked.filters.tell_countries
    ]
    links.append((_("Single calls"), asked.calls()))
    return [
        {"label": label, "link": link, "is_current": link.partition("?")[0] == request.path} for label, link in links
    ]
