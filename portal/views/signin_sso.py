"""Where an own site sends people back whom it has signed in (Azure: signin-sso)."""

import logging

from allauth.account.internal.flows.login import perform_login
from allauth.account.models import Login
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts import single_sign_on
from portal import delegation
from portal.http import PageRequest, place_here, portal_settings_of
from portalsettings import validation_key

logger = logging.getLogger(__name__)


@never_cache
@require_GET
def signin_sso(request: PageRequest) -> HttpResponse:
    portal_settings = portal_settings_of(request)
    key = validation_key.key_of(portal_settings)
    if key is None or not portal_settings.delegates_sign_in:
        raise Http404
    try:
        user = single_sign_on.enter(request.GET.get("token", ""), key=key, now=timezone.now())
    except single_sign_on.TokenRefused as refusal:
        logger.warning("A token of the own site was refused: %s", refusal)
        return render(request, "account/signin_sso_refused.html", status=403)
    place = place_here(request, request.GET.get("returnUrl", ""))
    login = Login(user=user, email=user.email, redirect_url=place, signal_kwargs={delegation.VOUCHED_FOR: True})
    answer: HttpResponse = perform_login(request, login)
    return answer
