"""The administrators' notice, shown until the reader dismisses it."""

from hashlib import sha256

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from portal.http import PageRequest, place_here, portal_settings_of
from portal.posting import posted_from

COOKIE = "apim_notice"
COOKIE_SECONDS = 365 * 86_400


def shown_notice(request: HttpRequest) -> str:
    """The notice, in Markdown; empty where there is none or the reader has dismissed this one."""
    text = portal_settings_of(request).notice
    return "" if request.COOKIES.get(COOKIE) == _digest(text) else text


@posted_from("portal:home")
def dismiss(request: PageRequest) -> HttpResponse:
    answer = redirect(place_here(request, request.POST.get("next", "")))
    answer.set_cookie(
        COOKIE,
        _digest(portal_settings_of(request).notice),
        max_age=COOKIE_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return answer


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]
