"""The console of an operation page: sends a call through the gateway and shows what came back."""

from uuid import UUID

from django.conf import settings
from django.core.files.uploadhandler import MemoryFileUploadHandler, TemporaryFileUploadHandler
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import reswap, retarget

from apis.models import Operation
from portal.access import operation_or_404
from portal.console import allowance, cancellation, downloads, keys, trace
from portal.console.check import check
from portal.console.form import Form, add_row, blank, call, filled, reset_body
from portal.console.forward import forward
from portal.console.page import Result, console_of, origin, refusal, result_of
from portal.http import PageRequest, caller_address
from portal.posting import posted_from
from portal.views.catalogue import operation_page
from subscriptions import keys as subscription_keys
from subscriptions.models import Subscription, SubscriptionKey

# The other fields of the form, beside the body; DATA_UPLOAD_MAX_MEMORY_SIZE allows for the same.
_FORM_OVERHEAD_BYTES = 2**16


@csrf_exempt
@posted_from("portal:operation")
@never_cache
def send(request: PageRequest, api: str, operation: str) -> HttpResponse:
    """Refuse what is too large before anything reads it; even the check of the CSRF token would."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    limit = settings.CONSOLE_REQUEST_LIMIT_BYTES
    if not length.isdigit() or int(length) > limit + _FORM_OVERHEAD_BYTES:
        return _too_large(request, api, operation, limit)
    # The limit bounds what these keep.
    request.upload_handlers = [MemoryFileUploadHandler(request), TemporaryFileUploadHandler(request)]
    return _act(request, api, operation)


def _too_large(request: PageRequest, api: str, operation: str, limit: int) -> HttpResponse:
    shown = operation_or_404(request.user, api, operation)
    result = refusal(
        shown,
        _("The body is too large"),
        _("The console sends at most %(limit)s bytes. Send it from a program.")
        % {"limit": number_format(limit, force_grouping=True)},
    )
    return _answer(request, shown, blank(shown), result, status=413)


@csrf_protect
def _act(request: PageRequest, api: str, operation: str) -> HttpResponse:
    shown = operation_or_404(request.user, api, operation)
    form = filled(shown, request.POST, request.FILES)
    match request.POST.get("action"):
        case "add-query":
            add_row(form, "query")
            return operation_page(request, shown, console=console_of(request, shown, form))
        case "add-header":
            add_row(form, "header")
            return operation_page(request, shown, console=console_of(request, shown, form))
        case "example":
            reset_body(form)
            return operation_page(request, shown, console=console_of(request, shown, form))
    return _send(request, shown, form)


def _send(request: PageRequest, shown: Operation, form: Form) -> HttpResponse:
    check(form)
    subscription = None
    try:
        subscription = keys.chosen(request.user, shown.api, form.subscription, timezone.now())
    except keys.UnusableSubscription as error:
        form.subscription_error = str(error)
    if not form.is_valid:
        return _form_refused(request, shown, form)
    try:
        with allowance.allowed(request):
            result = _forward(request, shown, form, subscription)
    except allowance.RefusedNow as error:
        result = refusal(shown, _("The call was not sent"), str(error))
        return _answer(request, shown, form, result, status=429)
    return _answer(request, shown, form, result)


def _forward(request: PageRequest, shown: Operation, form: Form, subscription: Subscription | None) -> Result:
    requested = call(form, shown.api.path)
    key = token = None
    sent = requested
    # A key that the user typed as a header is what he wants to send: the subscription's stays out.
    if subscription is not None and not requested.has_header(shown.api.key_header_name):
        key = subscription_keys.reveal(subscription, SubscriptionKey.Slot.PRIMARY)
        sent = sent.with_header(shown.api.key_header_name, key)
        if form.wants_trace and subscription.allow_tracing and not requested.has_header(trace.DEBUG_HEADER):
            token = trace.token_for(subscription)
            sent = sent.with_header(trace.DEBUG_HEADER, token)
    seen_at = origin(shown.api)
    outcome = forward(
        sent,
        gateway_url=settings.GATEWAY_INTERNAL_URL,
        public_url=seen_at,
        caller_address=caller_address(request),
        timeout_seconds=settings.CONSOLE_TIMEOUT_SECONDS,
        response_limit_bytes=settings.CONSOLE_RESPONSE_LIMIT_BYTES,
        call_id=cancellation.call_id_of(request.POST.get("call", "")),
    )
    return result_of(
        request,
        form,
        requested,
        outcome,
        subscription=subscription if key is not None else None,
        key=key,
        scheme=seen_at.partition(":")[0],
        response_limit_bytes=settings.CONSOLE_RESPONSE_LIMIT_BYTES,
        trace=trace.trace_of(outcome, token) if token is not None else None,
    )


def _form_refused(request: PageRequest, shown: Operation, form: Form) -> HttpResponse:
    console = console_of(request, shown, form)
    if not request.htmx:
        return operation_page(request, shown, console=console, status=422)
    response = render(request, "portal/console/_console.html", {"console": console}, status=422)
    return reswap(retarget(response, "#console"), "outerHTML")


def _answer(request: PageRequest, shown: Operation, form: Form, result: Result, status: int = 200) -> HttpResponse:
    if request.htmx:
        return render(request, "portal/console/_response.html", {"result": result}, status=status)
    return operation_page(request, shown, status=status, console=console_of(request, shown, form, result))


@csrf_exempt  # The id is a secret of whoever sent the call; a page that is being left may have an old token.
@require_POST
@never_cache
def cancel(request: PageRequest) -> HttpResponse:
    call = cancellation.call_id_of(request.POST.get("call", ""))
    if call is not None:
        cancellation.cancel(call)
    return HttpResponse(status=204)


@require_safe
@never_cache
def download(request: PageRequest, download_id: UUID, name: str) -> FileResponse:
    """A response body as a file, for whoever made the call. A browser must never show it as a page."""
    file = downloads.find(request, download_id)
    if file is None:
        raise Http404(_("This response is no longer kept. Send the call again."))
    response = FileResponse(file.open("rb"), as_attachment=True, filename=name, content_type="application/octet-stream")
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
