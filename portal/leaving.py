"""Leads to an identity provider's site by a page, where allauth would answer a form by a redirect.

The content security policy lets forms lead to this site only, and browsers hold redirects to it as well.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

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

    return respond


def _is_elsewhere(target: str, request: HttpRequest) -> bool:
    place = urlsplit(target)
    return place.scheme in ("http", "https") and place.netloc != request.get_host()
