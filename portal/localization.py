"""Lets each page speak its reader's language and show his time.

The profile decides; where it says nothing, or nobody is signed in, the browser: its languages or the one chosen in the
footer (Django's LocaleMiddleware), and the time zone that portal.js puts into a cookie.
"""

from collections.abc import Callable
from typing import cast
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from accounts.localization import zone_named
from portal.http import PageRequest

TIME_ZONE_COOKIE = "apim_time_zone"

GetResponse = Callable[[HttpRequest], HttpResponse]


def localize(get_response: GetResponse) -> GetResponse:
    def answer(request: HttpRequest) -> HttpResponse:
        page = cast(PageRequest, request)
        if page.user.is_authenticated and page.user.language:
            translation.activate(page.user.language)
            request.LANGUAGE_CODE = page.user.language
        # A thread keeps the zone of its last request, so it is set for each.
        timezone.activate(_time_zone(page) or timezone.get_default_timezone())
        return get_response(request)

    return answer


def _time_zone(request: PageRequest) -> ZoneInfo | None:
    kept = request.user.time_zone if request.user.is_authenticated else ""
    return zone_named(kept) or zone_named(request.COOKIES.get(TIME_ZONE_COOKIE, ""))
