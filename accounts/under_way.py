"""Signing in takes steps: a code by mail, a second factor, terms, a profile. It ends where the account changes.

Whoever has proved the old password must not get in by it after the owner has changed it, nor somebody who was blocked.
"""

from allauth.account.internal.stagekit import clear_login
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from accounts.models import User

_SESSION_KEY = "sign_in_under_way"
_SHUT_OUT = frozenset({User.State.BLOCKED, User.State.DELETED})


def begin(request: HttpRequest, user: User) -> None:
    """Note how the account is as the person proves who he is, or is mailed a code."""
    request.session[_SESSION_KEY] = _fingerprint(user)


def is_outdated(request: HttpRequest, user: User | None) -> bool:
    """Whether the account has got another password since, was blocked, or is gone."""
    if user is None or user.state in _SHUT_OUT:
        return True
    return bool(request.session.get(_SESSION_KEY) != _fingerprint(user))


def end(request: HttpRequest) -> HttpResponse:
    """Let the person sign in from the start."""
    clear_login(request)
    forget(request)
    messages.error(request, _("Your account has changed since you began to sign in. Begin again."))
    return redirect("account_login")


def forget(request: HttpRequest) -> None:
    request.session.pop(_SESSION_KEY, None)


def _fingerprint(user: User) -> str:
    """Who was blocked and is active again begins anew, too: the count differs."""
    times_blocked = user.state_changes.filter(state=User.State.BLOCKED).count()
    return f"{user.pk} {times_blocked} {user.get_session_auth_hash()}"
