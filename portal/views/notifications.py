"""Which mails somebody gets: chosen on a page of the account area, or by the link in a mail."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from notifications import preferences as mails
from notifications.catalogue import FIXED, OPTIONAL
from notifications.models import BouncedAddress
from portal.http import PageRequest, SignedInRequest
from portal.signing_in import sign_in_required


@require_http_methods(["GET", "HEAD", "POST"])
@sign_in_required
@never_cache
def preferences(request: SignedInRequest) -> HttpResponse:
    if request.method == "POST":
        mails.choose(request.user, wanted=request.POST.getlist("wanted"))
        messages.success(request, _("Your choice is saved."))
        return redirect("portal:notification_preferences")
    muted = mails.muted_by(request.user)
    context = {
        "optional": [
            {"category": category, "what": what, "is_wanted": category not in muted}
            for category, what in OPTIONAL.items()
        ],
        "fixed": [{"category": category, "why": why} for category, why in FIXED.items()],
        "bounced": BouncedAddress.objects.filter(email=request.user.email.lower()).first(),
    }
    return render(request, "portal/notifications/preferences.html", context)


# A mail program posts here by itself, without a page of ours (RFC 8058). The token says who may.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def unsubscribe(request: PageRequest, token: str) -> HttpResponse:
    """POST stops the mails that the token stands for; GET asks, for programs that scan mails follow links."""
    found = mails.from_token(token)
    if found is None:
        raise Http404
    user, category = found
    if request.method == "POST":
        mails.mute(user, category)
    context = {"category": category, "is_done": request.method == "POST"}
    return render(request, "portal/notifications/unsubscribe.html", context)
