"""What each of these pages begins with."""

from collections.abc import Callable, Collection, Mapping
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

from analytics.export import Format

ROWS = 50

View = Callable[..., HttpResponseBase]


def insights_page(*permissions: str) -> Callable[[View], View]:
    """For staff that may see all of this."""

    def decorate(view: View) -> View:
        @wraps(view)
        def answer(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
            if not request.user.has_perms(permissions):
                raise PermissionDenied
            return view(request, **kwargs)

        wrapped: View = admin.site.admin_view(answer)
        return wrapped

    return decorate


def context_of(request: HttpRequest, title: str, kept: Mapping[str, str]) -> dict[str, Any]:
    """`kept` are the parameters that choose the same rows again."""
    pages = {
        "funnel": _("From sign-up to the first call"),
        "quotas": _("Quotas"),
        "uncalled": _("Nobody calls"),
        "deprecated": _("Deprecated"),
    }
    return {
        **admin.site.each_context(request),
        "title": title,
        "tabs": [
            {"label": label, "link": link, "is_current": link == request.path}
            for label, link in ((label, reverse(f"insights:{name}")) for name, label in pages.items())
        ],
        "kept": kept,
        "here": f"?{urlencode(kept)}",
        "formats": Format,
    }


def page_of(request: HttpRequest, rows: Any, parameter: str = "page", count: int | None = None) -> Page[Any]:
    """`count` is the number of rows, where it is known already."""
    paginator = Paginator(rows, ROWS)
    if count is not None:
        paginator.count = count
    return paginator.get_page(request.GET.get(parameter))


def number_in(request: HttpRequest, name: str, choices: Collection[int], default: int) -> int:
    """One of the choices; what is none is the default."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 and int(text) in choices else default
