""" "Why was my call refused?": by a request id, or by how a key begins and a time."""

from allauth.core.ratelimit import consume_or_429
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from portal.http import SignedInRequest
from portal.signing_in import sign_in_required
from portal.usage import refused
from portal.usage.forms import KEY_PREFIX_CHARACTERS, KeyAndTimeForm, RequestIdForm
from portal.usage.hops import hops
from portal.usage.own import Own
from portal.usage.refused import Finding


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("key_start")
@sign_in_required
@never_cache
def why_refused(request: SignedInRequest) -> HttpResponse:
    """GET takes the request id from a link; what is about keys is posted, so that none gets into an address."""
    if request.method == "POST" and "key_start" in request.POST:
        return _by_key(request)
    data = request.POST if request.method == "POST" else request.GET if "request_id" in request.GET else None
    return _by_request_id(request, RequestIdForm(data))


def _by_request_id(request: SignedInRequest, form: RequestIdForm) -> HttpResponse:
    context: dict[str, object] = {}
    if form.is_bound and form.is_valid():
        refusal: HttpResponse | None = consume_or_429(request, action="why_refused")
        if refusal is not None:
            return refusal
        finding = refused.by_request_id(form.cleaned_data["request_id"], Own.of(request.user).subscriptions)
        context = {"is_asked": True, "found": _with_hops([finding] if finding is not None else [])}
    return _page(request, form, KeyAndTimeForm(), context)


def _by_key(request: SignedInRequest) -> HttpResponse:
    # Of a whole key that somebody pastes nothing goes further than its visible start.
    posted = request.POST.copy()
    posted["key_start"] = request.POST.get("key_start", "").strip()[:KEY_PREFIX_CHARACTERS]
    form = KeyAndTimeForm(posted)
    context: dict[str, object] = {}
    if form.is_valid():
        refusal: HttpResponse | None = consume_or_429(request, action="why_refused")
        if refusal is not None:
            return refusal
        asked = form.cleaned_data
        known, findings = refused.by_key(asked["key_start"], asked["at"], Own.of(request.user).subscriptions)
        context = {"is_asked": True, "is_by_key": True, "prefix": asked["key_start"]}
        context |= {"known": known, "found": _with_hops(findings)}
    return _page(request, RequestIdForm(), form, context)


def _with_hops(findings: list[Finding]) -> list[tuple[Finding, list[dict[str, str | Promise]]]]:
    return [(finding, hops(finding.explanation)) for finding in findings]


def _page(
    request: SignedInRequest, id_form: RequestIdForm, key_form: KeyAndTimeForm, context: dict[str, object]
) -> HttpResponse:
    context |= {"id_form": id_form, "key_form": key_form, "kept_days": settings.RAW_CALL_DAYS}
    return render(request, "portal/usage/why_refused.html", context)
