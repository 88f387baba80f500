"""Calls as they come in. The page asks again and again, so that no thread of the web server is tied up."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, ngettext
from django.views.decorators.cache import never_cache

from analytics import call_search
from analytics.lag import LATE_SECONDS, ingest_lag
from analytics.periods import Span
from portal.administration.call_list import NAMED
from portal.administration.call_query import query_of, rows_of
from portal.administration.model_admin import ModelAdmin

SHOWN = 50
POLL_SECONDS = 2
# How often a screen reader is told of new calls.
TELL_SECONDS = 30
LOOKED_BACK = timedelta(hours=1)
# Clocks of gateways may be ahead.
LOOKED_AHEAD = timedelta(hours=1)


@never_cache
def tail_view(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """The page, or for htmx the part of it that changes: nothing while no further call has come in."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    now = timezone.now()
    query = query_of(request, request.GET.dict())
    search = call_search.read(query.values, Span(now - LOOKED_BACK, now + LOOKED_AHEAD))
    calls = search.latest(count=SHOWN, patience=0).calls
    last = max((call.pk for call in calls), default=0)
    is_poll = "since" in request.GET
    if is_poll and last <= _number(request.GET["since"]):
        return HttpResponse(status=204)
    told_at, told_of = _number(request.GET.get("told_at", "")), _number(request.GET.get("told_of", ""))
    news = ""
    if now.timestamp() - told_at >= TELL_SECONDS:
        news = _news(sum(call.pk > told_of for call in calls)) if is_poll else ""
        told_at, told_of = int(now.timestamp()), last
    context: dict[str, Any] = {
        "query": query,
        "rows": rows_of(calls, query.seen(*NAMED)),
        "is_paused": "paused" in request.GET,
        "now": now,
        "shown": SHOWN,
        "poll_seconds": POLL_SECONDS,
        "poll": urlencode({**query.values, "since": last, "told_at": told_at, "told_of": told_of}),
        "pause": urlencode({**query.values, "paused": 1}),
        "news": news,
    }
    if request.headers.get("HX-Request"):
        return render(request, "admin/analytics/call/_tail.html", context)
    context |= {
        **model_admin.admin_site.each_context(request),
        "title": gettext("Live calls"),
        "opts": model_admin.opts,
        "chips": query.chips(),
        "late": _late_words(now),
    }
    return render(request, "admin/analytics/call/tail.html", context)


def _late_words(now: datetime) -> str:
    """How far behind the ingest is, where that is more than usual."""
    lag = ingest_lag()
    if lag is None or lag.seconds(now) <= LATE_SECONDS:
        return ""
    return gettext("Calls come in late now: those since %(moment)s wait in the gateway's journal.") % {
        "moment": date_format(timezone.localtime(lag.oldest), "DATETIME_FORMAT")
    }


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


def _news(count: int) -> str:
    if count >= SHOWN:
        return gettext("%(count)d or more further calls") % {"count": count}
    return ngettext("%(count)d further call", "%(count)d further calls", count) % {"count": count}
