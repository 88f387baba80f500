"""Delegation: an own site signs people in and sells subscriptions, in the portal's place (Azure: delegation).

What the portal sends is Azure's: the delegation URL with `operation`, its values, `salt` and `sig`, where `sig` is the
HMAC-SHA512 of salt and values, one a line. The way back is portal.views.signin_sso.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from portal.access import changeable_subscription_or_404, product_or_404
from portal.http import PageRequest, place_here, portal_settings_of
from portalsettings import validation_key

SALT_BYTES = 16
# What marks a sign-in as the own site's work.
VOUCHED_FOR = "vouched_for_by_own_site"

# The views whose work the own site does, and Azure's names for it.
VISITORS = {
    "account_login": "SignIn",
    "account_request_login_code": "SignIn",
    "account_reset_password": "SignIn",
    "account_signup": "SignUp",
}
PEOPLE = {
    "account_change_password": "ChangePassword",
    "account_set_password": "ChangePassword",
    "account_email": "ChangeProfile",
    "portal:change_name": "ChangeProfile",
    "portal:close_account": "CloseAccount",
    "account_logout": "SignOut",
}
SUBSCRIBE, UNSUBSCRIBE = "portal:subscribe", "portal:cancel_subscription"
# Of these the page that asks stays here; the form that is sent goes on.
FORMS = frozenset({"account_logout", "portal:change_name", SUBSCRIBE})


class DelegationMiddleware:
    """Sends people to the own site where a view's work is delegated to it.

    Administrators keep the portal's own ways, so that nobody is shut out while the own site is down.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: object, args: object, kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        name = request.resolver_match.view_name if request.resolver_match else ""
        if name in FORMS and request.method != "POST":
            return None
        values = _values(cast(PageRequest, request), name, kwargs)
        key = validation_key.key_of(portal_settings_of(request)) if values else None
        if values is None or key is None:
            return None
        url = delegated(portal_settings_of(request).delegation_url, key, **values)
        if values["operation"] == "SignOut":
            logout(request)
        return _lead_to(cast(PageRequest, request), url)


def _values(request: PageRequest, name: str, arguments: dict[str, Any]) -> dict[str, str] | None:
    """The operation and its values, in the order in which they are signed; None where the view does its own work."""
    if name in VISITORS:
        # One line: each value is signed as a line, so that none can be read as two.
        place = place_here(request, request.POST.get("next") or request.GET.get("next") or "")
        is_way_in = VISITORS[name] == "SignIn"
        is_ours = request.user.is_authenticated or (is_way_in and place.startswith(reverse("admin:index")))
        if is_ours or not portal_settings_of(request).delegates_sign_in:
            return None
        return {"operation": VISITORS[name], "returnUrl": place}
    if not request.user.is_authenticated:
        return None
    if name in PEOPLE:
        if request.user.is_staff or not portal_settings_of(request).delegates_sign_in:
            return None
        return {"operation": PEOPLE[name], "userId": str(request.user.pk)}
    if name in (SUBSCRIBE, UNSUBSCRIBE) and portal_settings_of(request).delegates_subscriptions:
        if name == SUBSCRIBE:
            product = product_or_404(request.user, arguments["product"])
            return {"operation": "Subscribe", "productId": product.name, "userId": str(request.user.pk)}
        own = changeable_subscription_or_404(request.user, arguments["subscription_id"])
        return {"operation": "Unsubscribe", "subscriptionId": str(own.pk)}
    return None


def to_own_site(request: HttpRequest, place: str) -> HttpResponse | None:
    """Lead to signing in there and back to the place; None where sign-in is not delegated."""
    settings = portal_settings_of(request)
    key = validation_key.key_of(settings) if settings.delegates_sign_in else None
    if key is None:
        return None
    url = delegated(settings.delegation_url, key, operation="SignIn", returnUrl=place_here(request, place))
    return _lead_to(cast(PageRequest, request), url)


def delegated(url: str, key: bytes, *, operation: str, **values: str) -> str:
    """The delegation URL for an operation; what it has as query already stays."""
    salt = base64.b64encode(secrets.token_bytes(SALT_BYTES)).decode()
    signed = {"operation": operation, **values, "salt": salt, "sig": signature(key, salt, *values.values())}
    parts = urlsplit(url)
    return urlunsplit(
        parts._replace(query=urlencode([*parse_qsl(parts.query, keep_blank_values=True), *signed.items()]))
    )


def signature(key: bytes, *lines: str) -> str:
    """Azure's: base64 of the HMAC-SHA512 of the lines."""
    return base64.b64encode(hmac.digest(key, "\n".join(lines).encode(), hashlib.sha512)).decode()


def _lead_to(request: PageRequest, url: str) -> HttpResponse:
    """A redirect; a page that goes on by itself after a form, which may not be redirected to another site."""
    if request.htmx:
        return HttpResponseClientRedirect(url)
    if request.method != "POST":
        return redirect(url)
    return render(request, "portal/leaving.html", {"target": url, "site": urlsplit(url).hostname})
