"""What is deprecated and still called, by whom, and how many days are left."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import takewhile
from operator import itemgetter
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from analytics import deprecated as usage
from analytics.deprecated import Caller, Deprecated, Use
from analytics.export import Column, Format, Kind, Table, download
from analytics.periods import Span
from analytics.picker import moments
from analytics.uncalled import day_before
from apis.models import API, Operation
from portal.administration.deprecation import state_of
from portal.administration.insights.page import context_of, insights_page, number_in, page_of
from portal.administration.insights.uncalled import DAYS, DEFAULT_DAYS

MOST_EXPORTED = 100_000
_ROWS_AT_ONCE = 500
COLUMNS = (
    Column("kind"),
    Column("id", Kind.INTEGER),
    Column("api"),
    Column("operation"),
    Column("deprecated_at", Kind.MOMENT),
    Column("sunset_at", Kind.MOMENT),
    Column("days_left", Kind.INTEGER),
    Column("calls", Kind.INTEGER),
    Column("subscriptions", Kind.INTEGER),
    Column("users", Kind.INTEGER),
    Column("last_called"),
)
COLUMNS_OF_CALLERS = (
    Column("subscription_id"),
    Column("subscription"),
    Column("owner"),
    Column("product_or_api"),
    Column("calls", Kind.INTEGER),
    Column("last_called"),
)
_page = insights_page("apis.view_api", "subscriptions.view_subscription", "analytics.view_call")


@_page
def deprecated(request: HttpRequest) -> HttpResponseBase:
    now, days = timezone.now(), number_in(request, "days", DAYS, DEFAULT_DAYS)
    since, rows = day_before(now, days), usage.deprecated()
    if request.GET.get("format") in Format:
        cut_at = MOST_EXPORTED if len(rows) > MOST_EXPORTED else None
        lines = _exported(rows[:MOST_EXPORTED], since, now)
        return download(Table(f"deprecated-{days}-days", COLUMNS, lines, cut_at), Format(request.GET["format"]))
    page = page_of(request, rows)
    shown = list(page.object_list)
    found = zip(shown, usage.uses(shown, since), strict=True)
    context = context_of(request, _("Deprecated"), {"days": str(days)}) | {
        "days": DAYS.items(),
        "chosen": days,
        "page": page,
        "rows": [_shown(row, use, since, now) for row, use in found],
    }
    return render(request, "admin/insights/deprecated.html", context)


@_page
def deprecated_callers(request: HttpRequest, kind: str, pk: int) -> HttpResponseBase:
    """Of an API or operation, also of one that is not deprecated yet: whom it would concern."""
    row = _row(kind, pk)
    now, days = timezone.now(), number_in(request, "days", DAYS, DEFAULT_DAYS)
    since = day_before(now, days)
    found = usage.callers(row, since)
    if request.GET.get("format") in Format:
        some = list(takewhile(itemgetter("calls"), found[: MOST_EXPORTED + 1]))
        cut_at = MOST_EXPORTED if len(some) > MOST_EXPORTED else None
        lines = _exported_callers(row, since, some[:MOST_EXPORTED])
        table = Table(f"callers-of-{kind}-{pk}-{days}-days", COLUMNS_OF_CALLERS, lines, cut_at)
        return download(table, Format(request.GET["format"]))
    page = page_of(request, found, count=usage.count_of_callers(row, since))
    context = context_of(request, _("Who calls %(name)s") % {"name": _name(row)}, {"days": str(days)}) | {
        "days": DAYS.items(),
        "chosen": days,
        "page": page,
        "name": _name(row),
        "state": state_of(row),
        "announce": f"{reverse('admin:notifications_announcement_add')}?api={_api(row).pk}",
        "callers": [
            (caller, _calls(row, since, now, caller.id)) for caller in usage.named(row, since, list(page.object_list))
        ],
    }
    return render(request, "admin/insights/deprecated_callers.html", context)


def _row(kind: str, pk: int) -> Deprecated:
    row = (
        API.objects.filter(pk=pk).first()
        if kind == "api"
        else Operation.objects.filter(pk=pk).select_related("api").first()
    )
    if row is None:
        raise Http404
    return row


def _api(row: Deprecated) -> API:
    return row.api if isinstance(row, Operation) else row


def _name(row: Deprecated) -> str:
    return f"{row.api.display_name}: {row}" if isinstance(row, Operation) else row.display_name


def _kind(row: Deprecated) -> str:
    return "operation" if isinstance(row, Operation) else "api"


def _shown(row: Deprecated, use: Use, since: datetime, now: datetime) -> dict[str, Any]:
    told = row.deprecation
    return {
        "name": _name(row),
        "link": reverse(f"admin:apis_{_kind(row)}_change", args=[row.pk]),
        "deprecation": told,
        "days_left": told.whole_days_left(now) if told is not None else None,
        "is_over": told is not None and told.is_over(now),
        "use": use,
        "callers": reverse(f"insights:deprecated-{_kind(row)}", args=[row.pk]),
        "calls": _calls(row, since, now),
    }


def _calls(row: Deprecated, since: datetime, now: datetime, subscription: Any = None) -> str:
    """The list of these calls, as far back as single calls are kept."""
    chosen = {_kind(row): str(row.pk)} | ({"subscription": str(subscription)} if subscription is not None else {})
    return f"{reverse('admin:analytics_call_changelist')}?{urlencode(chosen | moments(Span(since, now)))}"


def _exported(rows: Sequence[Deprecated], since: datetime, now: datetime) -> Iterator[list[Any]]:
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        for row, use in zip(some, usage.uses(some, since), strict=True):
            told = row.deprecation
            assert told is not None
            yield [
                _kind(row),
                row.pk,
                _api(row).display_name,
                str(row) if isinstance(row, Operation) else None,
                told.since,
                told.sunset,
                told.whole_days_left(now),
                use.calls,
                use.subscriptions,
                use.users,
                use.last_called,
            ]


def _exported_callers(row: Deprecated, since: datetime, found: Sequence[dict[str, Any]]) -> Iterator[list[Any]]:
    for start in range(0, len(found), _ROWS_AT_ONCE):
        for caller in usage.named(row, since, found[start : start + _ROWS_AT_ONCE]):
            yield [caller.id, *_who(caller), caller.calls, caller.last_called]


def _who(caller: Caller) -> list[str | None]:
    """Name, owner and what it is for, as far as the subscription is still there."""
    row = caller.subscription
    return [row.display_name, row.owner_name, row.scope_name] if row is not None else [None] * 3
