"""A developer's own calls that did not go well: the list of them, and one call."""

from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from analytics.explanation import explain, of_backend, of_reason
from analytics.models import Call
from analytics.picker import menu
from portal.console.prefill import console_url
from portal.http import SignedInRequest
from portal.signing_in import sign_in_required
from portal.usage import failed, key_story
from portal.usage.asked import Asked, number
from portal.usage.hops import hops
from portal.usage.own import Names, Own

CALLS_PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class Line:
    call: Call
    title: str
    api: str
    subscription: str


@require_safe
@sign_in_required
@never_cache
def listed(request: SignedInRequest) -> HttpResponse:
    asked = Asked.of(request.GET, Own.of(request.user))
    calls = failed.latest(asked.failed, count=CALLS_PER_PAGE + 1, before=_before(request, asked.own))
    shown, more = calls[:CALLS_PER_PAGE], len(calls) > CALLS_PER_PAGE
    census = failed.census(asked.all_failed)
    names = Names.read_by(request.user, asked.own, {*census.apis, *(call.api_id for call in shown)}, ())
    context = {
        "asked": asked,
        "picker": menu(asked.choice, asked.filters),
        "apis": sorted(((pk, names.api(pk)) for pk in census.apis), key=lambda one: one[1]),
        "reasons": _reasons(census),
        "lines": [_line(call, asked.own, names) for call in shown],
        "older": urlencode(asked.choice.query | asked.filters | {"before": str(shown[-1].pk)}) if more else "",
        "kept_days": settings.RAW_CALL_DAYS,
        "is_cut": asked.choice.span.start < failed.kept_since(timezone.now()),
    }
    return render(request, "portal/usage/failed_calls.html", context)


def _reasons(census: failed.Census) -> list[tuple[str, str]]:
    """What calls of the period ended by, as the filter offers it."""
    reasons = dict.fromkeys(one.reason for one in census.failures)
    return [
        (reason, str(of_reason(reason).title)) if reason else (failed.BACKEND, _("The backend answered with an error"))
        for reason in reasons
    ]


def _before(request: SignedInRequest, own: Own) -> Call | None:
    """The own call at which the page before ended."""
    pk = number(request.GET.get("before", ""))
    call = Call.objects.filter(pk=pk).first() if pk is not None else None
    return call if call is not None and failed.is_own(call, own.subscriptions) else None


def _line(call: Call, own: Own, names: Names) -> Line:
    words = of_reason(call.error_reason) if call.error_reason else of_backend(call.response_code)
    subscription = own.subscriptions.get(call.subscription_id) if call.subscription_id is not None else None
    return Line(
        call, str(words.title), names.api(call.api_id), subscription.display_name if subscription is not None else ""
    )


@require_safe
@sign_in_required
@never_cache
def one(request: SignedInRequest, request_id: UUID) -> HttpResponse:
    own = Own.of(request.user)
    call = Call.objects.filter(request_id=request_id, response_code__gte=400).first()
    if call is None or not failed.is_own(call, own.subscriptions):
        raise Http404
    subscription = own.subscriptions.get(call.subscription_id) if call.subscription_id is not None else None
    names = Names.read_by(request.user, own, [call.api_id], [call.operation_id])
    explanation = explain(call, subscription)
    context = {
        "call": call,
        "subscription": subscription,
        "key": key_story.with_digests(own.subscriptions, [call.key_prefix]).get(call.key_prefix),
        "explanation": explanation,
        "hops": hops(explanation),
        "api_name": names.api(call.api_id) if call.api_id else "",
        "api_url": names.api_url(call.api_id),
        "operation_name": names.operation(call.operation_id) if call.operation_id else "",
        "operation_url": names.operation_url(call.operation_id),
        "console_url": console_url(call, names.operation_url(call.operation_id)),
        "gateway_ms": max(call.total_ms - (call.backend_ms or 0), 0),
    }
    return render(request, "portal/usage/call.html", context)
