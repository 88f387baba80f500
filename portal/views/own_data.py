"""The account area's page about one's data: taking it along, and closing the account."""

from allauth.core.internal import ratelimit
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts import closing, teams, user_states
from portal import own_data as data
from portal.http import SignedInRequest
from portal.posting import posted_from
from portal.signing_in import confirmed, sign_in_required

DOWNLOADS = {"own_data": "10/h/user"}


@require_safe
@sign_in_required
@never_cache
def own_data(request: SignedInRequest) -> HttpResponse:
    return render(request, "portal/account/own_data.html")


@posted_from("portal:own_data")
@sign_in_required
@confirmed
@never_cache
def download(request: SignedInRequest) -> HttpResponse:
    if ratelimit.consume(request, app="portal", action="own_data", config=DOWNLOADS) is None:
        return render(request, "429.html", status=429)
    now = timezone.now()
    return JsonResponse(
        data.of(request.user, now),
        json_dumps_params={"indent": 2, "ensure_ascii": False},
        headers={"Content-Disposition": f'attachment; filename="account-{now:%Y-%m-%d}.json"'},
    )


@require_http_methods(["GET", "POST"])
@sign_in_required
@confirmed
@never_cache
def close(request: SignedInRequest) -> HttpResponse:
    """GET says what ends, POST ends it."""
    if request.method == "GET":
        context = {
            "live": request.user.subscriptions.live().order_by("created_at"),
            "alone": teams.sole_ownerships(request.user),
        }
        return render(request, "portal/account/close.html", context)
    try:
        closing.close(request.user, by=request.user)
    except (closing.SoleOwner, teams.TeamError, user_states.LastAdministrator) as error:
        messages.error(request, str(error))
        return redirect("portal:close_account")
    logout(request)
    messages.success(request, _("Your account is closed."))
    return redirect("portal:home")
