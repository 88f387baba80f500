"""Leads to an identity provider by a page, where allauth would answer a form by a redirect, and tells of trouble.

The content security policy lets forms lead to this site only, and browsers hold redirects to it as well.
"""

import logging
from collections.abc import Callable
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from requests import RequestException

logger = logging.getLogger(__name__)

Handler = Callable[[HttpRequest], HttpResponse]


def leave_by_a_page(get_response: Handler) -> Handler:
    """Django middleware."""
    below = reverse("account_login").removesuffix("login/")

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        target = response.headers.get("Location", "")
        if request.method != "POST" or not request.path.startswith(below) or not _is_elsewhere(target, request):
            return response
        page = render(request, "socialaccount/leaving.html", {"target": target, "site": urlsplit(target).hostname})
        page.cookies.update(response.cookies)
        return page

    respond.process_exception = _tell_of_trouble  # type: ignore[attr-defined]
    return respond


def _tell_of_trouble(request: HttpRequest, exception: Exception) -> HttpResponse | None:
    """The page for an identity provider that cannot be reached; Django asks about whatever a view raises."""
    if not isinstance(exception, RequestException):
        return None
    logger.warning("identity_provider_unreachable", extra={"path": request.path}, exc_info=exception)
    return render(request, "socialaccount/authentication_error.html", status=502)


def _is_elsewhere(target: str, request: HttpRequest) -> bool:
    place = urlsplit(target)
    return place.scheme in ("http", "https") and place.netloc != request.get_host()
