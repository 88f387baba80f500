"""`GET /usage` and `GET /me/usage`: what is left of limits, and calls by day. docs/usage-api.md describes both.

The first one is for the holder of a subscription key, who is no person: it tells of that subscription only.
"""

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, cast
from uuid import UUID

from django.db.models import Q
from django.utils import timezone
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.localization import zone_named
from accounts.models import User
from analytics.limits import Limit, Standing, standing_of
from analytics.periods import Span, Step, buckets, last_days
from analytics.reports.totals import Selection, Total, by_bucket, totals
from apis.models import API, Operation
from portal.rest.errors import KeyRefused
from subscriptions import keys
from subscriptions.models import Subscription

KEY_HEADER = "Ocp-Apim-Subscription-Key"
DEFAULT_DAYS, MOST_DAYS = 30, 90

JSON = dict[str, Any]


@api_view(["GET", "HEAD"])
@authentication_classes([])
@permission_classes([])
def of_key(request: Request) -> Response:
    """Of the subscription whose key is in the header."""
    key = request.headers.get(KEY_HEADER, "")
    if not key:
        raise KeyRefused(is_missing=True)
    now = timezone.now()
    subscription = keys.opened_by(key.encode("latin-1", "replace"), now)
    if subscription is None:
        raise KeyRefused(is_missing=False)
    (told,), days = _usage(request, [subscription], timezone.get_default_timezone())
    return _answer(told | days)


@api_view(["GET", "HEAD"])
def of_person(request: Request) -> Response:
    """Of the subscriptions of who is signed in, those of teams among them."""
    person = cast(User, request.user)
    own = Subscription.objects.of(person).live().select_related("product", "api").order_by("created_at", "pk")
    told, days = _usage(request, list(own), timezone.get_current_timezone())
    return _answer({"subscriptions": told} | days)


def _answer(content: JSON) -> Response:
    return Response(content, headers={"Cache-Control": "no-store"})


def _usage(request: Request, subscriptions: list[Subscription], zone: tzinfo) -> tuple[list[JSON], JSON]:
    """Of each subscription, and of all of them by day."""
    now, zone = timezone.now(), _zone(request, zone)
    span = last_days(now, zone, days=_days(request))
    selection = Selection(
        span, Q(subscription_id__in=[one.pk for one in subscriptions]), frozenset({"subscription_id"})
    )
    sums = totals(selection, ["subscription_id"])
    standings = standing_of(subscriptions, now)
    names = _names(standings)
    told = [_subscription(one, standings[one.pk], sums.get((one.pk,), Total()), names) for one in subscriptions]
    days = buckets(span, Step.DAY, zone)
    by_day = [_day(day, total, zone) for day, total in zip(days, by_bucket(selection, days), strict=True)]
    return told, {"timeZone": str(zone), "days": by_day}


def _days(request: Request) -> int:
    text = request.query_params.get("days", str(DEFAULT_DAYS))
    if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= MOST_DAYS):
        raise ParseError(f"days: give a whole number from 1 to {MOST_DAYS}.")
    return int(text)


def _zone(request: Request, default: tzinfo) -> tzinfo:
    name = request.query_params.get("timeZone")
    if name is None:
        return default
    zone = zone_named(name)
    if zone is None:
        raise ParseError("timeZone: give a name such as Europe/Budapest.")
    return zone


def _names(standings: Mapping[UUID, Standing]) -> dict[tuple[str, int | None], str]:
    """Of the APIs and operations that limits are about."""
    limits = [limit for standing in standings.values() for limit in standing.limits if limit.api_id is not None]
    if not limits:
        return {}
    apis = API.objects.filter(pk__in={limit.api_id for limit in limits if limit.api_id is not None})
    named = {limit.operation_id for limit in limits if limit.operation_id is not None}
    operations = Operation.objects.filter(pk__in=named).order_by()
    found: dict[tuple[str, int | None], str] = {("api", pk): name for pk, name in apis.values_list("pk", "name")}
    return found | {("operation", pk): name for pk, name in operations.values_list("pk", "name")}


def _subscription(
    subscription: Subscription, standing: Standing, total: Total, names: Mapping[tuple[str, int | None], str]
) -> JSON:
    return {
        "subscriptionId": subscription.pk,
        "displayName": subscription.display_name,
        "state": subscription.state,
        "product": subscription.product.name if subscription.product is not None else None,
        "api": subscription.api.name if subscription.api is not None else None,
        "limits": [_limit(limit, standing, names) for limit in standing.limits],
        "limitsAsOf": standing.as_of,
        "limitsAreLive": standing.is_live,
        "usage": _total(total),
    }


def _limit(limit: Limit, standing: Standing, names: Mapping[tuple[str, int | None], str]) -> JSON:
    resets_in = None
    if limit.resets_at is not None:
        resets_in = round((limit.resets_at - standing.as_of).total_seconds())
    return {
        "kind": limit.kind,
        "api": names.get(("api", limit.api_id)),
        "operation": names.get(("operation", limit.operation_id)),
        "limit": limit.limit,
        "used": limit.used,
        "left": limit.left,
        "renewalPeriodSeconds": limit.period_seconds,
        "resetsAt": limit.resets_at,
        "resetsInSeconds": resets_in,
    }


def _day(day: Span, total: Total, zone: tzinfo) -> JSON:
    return {"day": f"{day.start.astimezone(zone):%Y-%m-%d}"} | _total(total)


def _total(total: Total) -> JSON:
    """By the names of Azure's reports; `bandwidth` is bytes in both directions."""
    return {
        "callCountSuccess": total.success,
        "callCountBlocked": total.blocked,
        "callCountFailed": total.failed,
        "callCountOther": total.other,
        "callCountTotal": total.calls,
        "bandwidth": total.request_bytes + total.response_bytes,
    }
