"""Error pages that need more than Django's own views give."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "400.html", status=400)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form was sent without the token of this browser's cookie: most often the page is old."""
    response = render(request, "403_csrf.html", status=403)
    if request.headers.get("HX-Request"):
        response["HX-Refresh"] = "true"
        messages.warning(
            request,
            _("You signed in or out after this page was opened, so it was loaded anew. Nothing was sent: do it again."),
        )
    return response
