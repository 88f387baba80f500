"""Sends whoever is not signed in to the sign-in page, and from there back to where he was."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from allauth.account.internal.flows.reauthentication import raise_if_reauthentication_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from accounts.models import GroupViewer
from portal import preview
from portal.http import PageRequest, SignedInRequest

View = Callable[..., HttpResponse]


def sign_in_required(view: View) -> View:
    """Like Django's login_required, but an htmx request gets a whole sign-in page, not one inside a fragment."""

    @wraps(view)
    def checked(request: PageRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        return to_sign_in(request, back_to=page_of(request))

    return checked


def confirmed(view: View) -> View:
    """For what an open session that somebody finds must not be enough: who has not lately proved himself is asked."""

    @wraps(view)
    def checked(request: SignedInRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        raise_if_reauthentication_required(request, app="allauth.account")
        return view(request, *args, **kwargs)

    return checked


def to_sign_in(request: PageRequest, *, back_to: str) -> HttpResponse:
    if isinstance(request.user, GroupViewer):
        return preview.not_shown(request)
    url = f"{reverse('account_login')}?{urlencode({'next': back_to})}"
    return HttpResponseClientRedirect(url) if request.htmx else redirect(url)


def page_of(request: PageRequest) -> str:
    """The page that the request belongs to; a POST has none of its own that could be shown again."""
    if request.htmx:
        return request.htmx.current_url_abs_path or reverse("portal:profile")
    return request.get_full_path() if request.method == "GET" else reverse("portal:profile")
