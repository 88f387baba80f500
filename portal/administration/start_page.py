"""The administration's first page: what needs doing, what does not work, how much there is."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import requests
from django.conf import settings
from django.core.cache import cache
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from analytics.models import Call
from apis.models import API, Operation
from events.models import Event
from notifications.models import OutboxMail
from portal.heartbeat import last_beat
from publisher.models import Revision
from subscriptions.models import Product, Subscription
from webhooks.models import Endpoint

STATUS_PATH = "/status-0123456789abcdef"
STATUS_TIMEOUT_SECONDS = 1.0
STATUS_KEPT_SECONDS = 5
STATUS_LIMIT_BYTES = 4096
SHOWN_REQUESTS = 5
SHOWN_ERRORS = 5
ERROR_HOURS = 24
# The errors are those of the latest calls, so that the page is fast however many there are.
LOOKED_AT_ERRORS = 20_000
EXPIRY = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Work:
    """Work that a process repeats; silence for longer than `patience` means that it does not get done."""

    name: str
    process: str
    consequence: str | Promise
    permission: str
    patience: timedelta


WORKS = (
    Work("publisher", "publisher", _("Changes do not reach the gateway."), "apis.view_api", timedelta(seconds=30)),
    Work("usage", "worker", _("Calls are not counted."), "analytics.view_call", timedelta(minutes=1)),
    # A round can send many mails, to a slow server.
    Work("mail", "worker", _("Mails are not sent."), "notifications.view_outboxmail", timedelta(minutes=5)),
)


@dataclass(frozen=True, slots=True)
class Standstill:
    work: Work
    since: datetime | None


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the start page shows; a part that the person may not see is left out."""
    may = request.user.has_perm
    if may("subscriptions.view_subscription"):
        waiting = Subscription.objects.filter(state=Subscription.State.SUBMITTED)
        context["waiting_count"] = waiting.count()
        oldest = waiting.select_related("owner", "product", "api").order_by("created_at")
        context["waiting"] = oldest[:SHOWN_REQUESTS]
    if may("accounts.view_user"):
        people = User.objects.exclude(waiting_since=None)
        context["waiting_people_count"] = people.count()
        context["waiting_people"] = people.order_by("waiting_since")[:SHOWN_REQUESTS]
    if may("notifications.view_outboxmail"):
        mails = OutboxMail.objects
        context["failed_mails"] = mails.filter(state=OutboxMail.State.FAILED).count()
        context["delayed_mails"] = mails.filter(state=OutboxMail.State.WAITING).exclude(last_error="").count()
    if may("events.view_event"):
        context["untold_events"] = Event.objects.set_aside().count()
    if may("subscriptions.view_subscription"):
        context["expiring"] = _expiring(timezone.now())
    if may("webhooks.view_endpoint"):
        context["failing_webhooks"] = Endpoint.objects.filter(is_active=True, failing_since__isnull=False).count()
    if may("analytics.view_call"):
        context["errors"] = top_errors(timezone.now())
    context["standstills"] = standstills([work for work in WORKS if may(work.permission)], timezone.now())
    if may("apis.view_api"):
        revision = Revision.objects.values_list("number", flat=True).first()
        context["gateway"] = gateway_status()
        context["revision"] = revision
        context["counts"] = [
            (gettext("APIs"), "admin:apis_api_changelist", API.objects.count()),
            (gettext("Operations"), "admin:apis_operation_changelist", Operation.objects.count()),
            (gettext("Products"), "admin:subscriptions_product_changelist", Product.objects.count()),
            (gettext("Subscriptions"), "admin:subscriptions_subscription_changelist", Subscription.objects.count()),
            (gettext("Users"), "admin:accounts_user_changelist", User.objects.count()),
        ]
    return context


def _expiring(now: datetime) -> QuerySet[Subscription]:
    """Active ones that end soon, the next ones first."""
    soon = Subscription.objects.filter(state=Subscription.State.ACTIVE, expires_at__range=(now, now + EXPIRY))
    return soon.select_related("owner", "team", "product", "api").order_by("expires_at")[:SHOWN_REQUESTS]


def top_errors(now: datetime) -> list[dict[str, Any]]:
    """By API and status, the most frequent first, of the last day."""
    failed = Call.objects.filter(at__gte=now - timedelta(hours=ERROR_HOURS), response_code__gte=400)
    latest = failed.order_by("-at").values_list("api_id", "response_code")[:LOOKED_AT_ERRORS]
    most = Counter(latest).most_common(SHOWN_ERRORS)
    names = API.objects.in_bulk([api for (api, _code), _count in most if api is not None])
    return [{"api": names.get(api or 0), "code": code, "count": count} for (api, code), count in most]


def standstills(works: Iterable[Work], now: datetime) -> list[Standstill]:
    """The works that nobody has done for too long."""
    last = ((work, last_beat(work.name)) for work in works)
    return [Standstill(work, at) for work, at in last if at is None or now - at > work.patience]


def gateway_status() -> dict[str, Any]:
    """Whether the gateway answers, and which revision of the configuration it serves if it says so.

    Kept for some seconds, so that a gateway that is down holds up one page and not each.
    """
    known: dict[str, Any] | None = cache.get("gateway-status")
    if known is None:
        known = _ask_gateway()
        cache.set("gateway-status", known, STATUS_KEPT_SECONDS)
    return known


def _ask_gateway() -> dict[str, Any]:
    url = settings.GATEWAY_INTERNAL_URL + STATUS_PATH
    try:
        with requests.get(url, timeout=STATUS_TIMEOUT_SECONDS, allow_redirects=False, stream=True) as answer:
            body = answer.raw.read(STATUS_LIMIT_BYTES)
            return {"answers": answer.status_code < 500, "status": answer.status_code, "revision": _revision_in(body)}
    except requests.RequestException:
        return {"answers": False, "status": None, "revision": None}


def _revision_in(body: bytes) -> int | None:
    try:
        revision = json.loads(body)["revision"]
    except (ValueError, KeyError, TypeError):
        return None
    return revision if isinstance(revision, int) else None
