"""Who is asking: the types of requests that views take, and what is asked once in each."""

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.middleware import HtmxDetails

from accounts.models import User
from gateway.http.client_address import TrustedProxies
from portalsettings.models import PortalSettings, current
from service import models as service_models
from service.models import Service


class PageRequest(HttpRequest):
    """A request of anybody."""

    user: User | AnonymousUser
    htmx: HtmxDetails


class SignedInRequest(PageRequest):
    """A request of somebody who is signed in."""

    user: User


def portal_settings_of(request: HttpRequest) -> PortalSettings:
    """The portal's settings, asked for once in a request."""
    if not hasattr(request, "_portal_settings"):
        request._portal_settings = current()  # type: ignore[attr-defined]
    found: PortalSettings = request._portal_settings  # type: ignore[attr-defined]
    return found


def service_of(request: HttpRequest) -> Service | None:
    """The service, asked for once in a request."""
    if not hasattr(request, "_service"):
        request._service = service_models.current()  # type: ignore[attr-defined]
    found: Service | None = request._service  # type: ignore[attr-defined]
    return found


def caller_address(request: HttpRequest) -> str:
    """The address of the person's computer, as far as TRUSTED_PROXIES tell it."""
    forwarded_for = request.META.get("HTTP_X_FORWARDED_FOR", "").encode("latin-1", "replace")
    return TrustedProxies(settings.TRUSTED_PROXIES).caller(request.META["REMOTE_ADDR"], forwarded_for)


def is_here(request: HttpRequest, place: str) -> bool:
    """Whether the place is on this site, and one line."""
    allowed = url_has_allowed_host_and_scheme(place, {request.get_host()}, require_https=request.is_secure())
    return allowed and place.isprintable()


def place_here(request: HttpRequest, place: str) -> str:
    """The place if it is on this site; else the home page."""
    return place if is_here(request, place) else reverse("portal:home")
