"""Addresses that take forms and show nothing themselves."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from portal.http import PageRequest

View = Callable[..., HttpResponse]


def posted_from(page: str) -> Callable[[View], View]:
    """Let a view take POST; who opens its address, from the history perhaps, is led to the page with the form.

    The page's URL takes the same arguments.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        @require_http_methods(["GET", "HEAD", "POST"])
        def take(request: PageRequest, **arguments: Any) -> HttpResponse:
            return view(request, **arguments) if request.method == "POST" else redirect(page, **arguments)

        return take

    return decorate
