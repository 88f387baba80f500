"""The administration's first page: what needs doing, how calls go, which errors there are, how much there is."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.core.cache import cache
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from analytics.call_search import NONE
from analytics.charts.sparkline import sparkline
from analytics.models import Call
from analytics.periods import Span, Step, buckets, last_hours
from analytics.reports.totals import Selection, Total, by_bucket
from apis.models import API, Operation
from portal.administration.start import gateway
from portal.administration.start.to_do import to_do
from portal.http import service_of
from portal.units import COUNT
from publisher.models import Revision
from subscriptions.models import Product, Subscription

HOURS = 24
SHOWN_ERRORS = 5
# The errors are those of the latest calls, so that the page is fast however many there are.
LOOKED_AT_ERRORS = 20_000
COUNTS_KEPT_SECONDS = 60

_COUNTED: tuple[tuple[str | Promise, type[Model]], ...] = (
    (_("APIs"), API),
    (_("Operations"), Operation),
    (_("Products"), Product),
    (_("Subscriptions"), Subscription),
    (_("Users"), User),
)


@dataclass(frozen=True, slots=True)
class TopError:
    """Calls of one operation that were answered so, for one reason."""

    api: API | None
    operation: Operation | None
    code: int
    reason: str
    count: int
    url: str
    """The list of them."""


@dataclass(frozen=True, slots=True)
class Trend:
    """How many calls there were, as they are read, and a line of them."""

    calls: str
    blocked: str
    failed: str
    line: SafeString


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the start page shows; a part that the person may not see is left out."""
    may, now = request.user.has_perm, timezone.now()
    service = service_of(request)
    context["to_do"] = to_do(may, now, service.created_at if service is not None else now)
    if may("analytics.view_call"):
        context["trend"] = trend(now)
        context["errors"] = top_errors(now)
    if may("apis.view_api"):
        context["gateway"] = gateway.status()
        context["revision"] = Revision.objects.values_list("number", flat=True).first()
        context["counts"] = counts()
    return context


def trend(now: datetime) -> Trend:
    """Of the calls of the last day, by hour."""
    zone, span = timezone.get_current_timezone(), last_day(now)
    hours = by_bucket(Selection(span), buckets(span, Step.HOUR, zone))
    total = Total()
    for hour in hours:
        total.add(hour)
    line = sparkline([hour.calls for hour in hours], gettext("Calls by hour"))
    return Trend(COUNT.exact(total.calls), COUNT.exact(total.blocked), COUNT.exact(total.failed), line)


def last_day(now: datetime) -> Span:
    """The one that `period=day` chooses."""
    return last_hours(now, timezone.get_current_timezone(), hours=HOURS)


def top_errors(now: datetime) -> list[TopError]:
    """By operation, status and reason, the most frequent first, of the last day."""
    failed = Call.objects.filter(at__gte=last_day(now).start, response_code__gte=400)
    latest = failed.order_by("-at").values_list("api_id", "operation_id", "response_code", "error_reason")
    most = Counter(latest[:LOOKED_AT_ERRORS]).most_common(SHOWN_ERRORS)
    apis = API.objects.in_bulk([api for (api, *_rest), _count in most if api])
    operations = Operation.objects.in_bulk([operation for (_api, operation, *_rest), _count in most if operation])
    return [
        TopError(
            apis.get(api or 0),
            operations.get(operation or 0),
            code,
            reason,
            count,
            _calls(api=api or 0, operation=operation or 0, code=code, reason=reason or NONE),
        )
        for (api, operation, code, reason), count in most
    ]


def _calls(**chosen: int | str) -> str:
    return f"{reverse('admin:analytics_call_changelist')}?{urlencode({'period': 'day', **chosen})}"


def counts() -> list[tuple[str | Promise, str, int]]:
    """Name, list and number of the kinds of rows that a service has most of; the number is up to a minute old."""
    known: list[int] | None = cache.get("start-counts")
    if known is None:
        known = [model._default_manager.count() for _name, model in _COUNTED]
        cache.set("start-counts", known, COUNTS_KEPT_SECONDS)
    return [
        (name, f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist", count)
        for (name, model), count in zip(_COUNTED, known, strict=True)
    ]
