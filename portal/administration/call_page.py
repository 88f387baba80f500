"""One call: what was asked, who asked, how it went, and why it did not go well."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from accounts.models import User
from analytics import call_search
from analytics.explanation import Explanation, Hop, explain
from analytics.models import Call
from analytics.picker import Period
from analytics.privacy import NONE
from apis.models import API, Operation
from portal.administration.call_query import Row, rows_of
from portal.administration.model_admin import ModelAdmin
from portal.administration.usage.dimensions import allowed
from subscriptions.models import FormerKey, Product, Subscription, SubscriptionKey

_PAGES: Mapping[str, tuple[Any, str]] = {
    "api": (API, "admin:apis_api_change"),
    "operation": (Operation, "admin:apis_operation_change"),
    "product": (Product, "admin:subscriptions_product_change"),
    "subscription": (Subscription, "admin:subscriptions_subscription_change"),
    "user": (User, "admin:accounts_user_change"),
}

NAMED = (*_PAGES, "country")


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds, and percents of the whole. The gateway's own are what is left of the whole."""

    total: float
    backend: float | None

    @property
    def gateway(self) -> float:
        return max(self.total - (self.backend or 0), 0)

    @property
    def backend_percent(self) -> int:
        return round(min((self.backend or 0) / self.total, 1) * 100) if self.total > 0 else 0

    @property
    def gateway_percent(self) -> int:
        return 100 - self.backend_percent


def page_view(request: HttpRequest, call: Call, *, model_admin: ModelAdmin) -> HttpResponse:
    if not model_admin.has_view_permission(request, call):
        raise PermissionDenied
    (row,) = rows_of([call], [one for name, one in allowed(request).items() if name in NAMED])
    subscription = Subscription.objects.filter(pk=call.subscription_id).first() if call.subscription_id else None
    explanation = explain(call, subscription)
    before, after = _neighbours(call)
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "title": gettext("Call %(id)s") % {"id": call.request_id},
        "opts": model_admin.opts,
        "call": call,
        "row": row,
        "pages": _pages(row),
        "key": _key_of(call),
        "explanation": explanation,
        "hops": _hops(explanation),
        "times": Times(call.total_ms, call.backend_ms),
        "addresses_are_kept": settings.CALLER_ADDRESSES != NONE,
        "like_this": urlencode(_like_this(call)),
        "of_subscription": urlencode(_day_of(call) | {"subscription": str(call.subscription_id)}),
        "before": before,
        "after": after,
    }
    return render(request, "admin/analytics/call/page.html", context)


def _pages(row: Row) -> dict[str, str]:
    """The addresses of what the call concerns, as far as it is still there."""
    found = {}
    for name, (model, page) in _PAGES.items():
        key = getattr(row.call, f"{name}_id")
        if name in row.names and model.objects.filter(pk=key).exists():
            found[name] = reverse(page, args=[key])
    return found


def _key_of(call: Call) -> SubscriptionKey | FormerKey | None:
    """The key that was sent, if the subscription has it, or had it."""
    if not call.key_prefix or call.subscription_id is None:
        return None
    current = SubscriptionKey.objects.filter(subscription=call.subscription_id, digest__startswith=call.key_prefix)
    former = FormerKey.objects.filter(subscription=call.subscription_id, digest_start=call.key_prefix)
    return current.first() or former.first()


def _hops(explanation: Explanation | None) -> list[dict[str, Any]]:
    """Caller, gateway and backend, each passed, failed or not reached."""
    hops = [Hop.CALLER, Hop.GATEWAY, Hop.BACKEND]
    failed = hops.index(explanation.hop) if explanation is not None else len(hops)
    states = ["passed"] * failed + ["failed"] + ["unreached"] * len(hops)
    return [{"name": hop.label, "state": state} for hop, state in zip(hops, states, strict=False)]


def _day_of(call: Call) -> dict[str, str]:
    day = f"{timezone.localtime(call.at):%Y-%m-%d}"
    return {"period": Period.CUSTOM.value, "from": day, "to": day}


def _like_this(call: Call) -> dict[str, str]:
    """Of its day, of the same operation, that ended in the same way."""
    alike: dict[str, int | str] = {
        "api": call.api_id or 0,
        "operation": call.operation_id or 0,
        "code": call.response_code,
        "reason": call.error_reason or call_search.NONE,
    }
    return _day_of(call) | {name: str(value) for name, value in alike.items()}


def _neighbours(call: Call) -> tuple[int | None, int | None]:
    """The calls of the same subscription before it and after it."""
    if call.subscription_id is None:
        return None, None
    others = Call.objects.filter(subscription_id=call.subscription_id).values_list("pk", flat=True)
    before = others.filter(at__lte=call.at).exclude(at=call.at, id__gte=call.pk).order_by("-at", "-id")
    after = others.filter(at__gte=call.at).exclude(at=call.at, id__lte=call.pk).order_by("at", "id")
    return before.first(), after.first()
