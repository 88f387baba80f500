"""The portal as a group sees it, for administrators.

While it is on, whoever looks is nobody in particular on the portal's pages (`GroupViewer`), so that no
page can show or do anything of the administrator's own. Nothing can be sent but leaving.
"""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from accounts import second_factors
from accounts.models import GUESTS, Group, GroupViewer, User
from portal.http import PageRequest, portal_settings_of

SESSION_KEY = "previewed_group"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# The views of the preview itself see who is really there.
_OWN_VIEWS = frozenset({"preview", "leave_preview"})


@require_POST
def start(request: PageRequest, group_id: int) -> HttpResponse:
    """404 for who is no member of the staff, 403 for those who may not see groups."""
    if not request.user.is_staff:
        raise Http404
    if not _may_preview(request):
        raise PermissionDenied
    request.session[SESSION_KEY] = get_object_or_404(Group, pk=group_id).pk
    return redirect("portal:home")


@require_POST
def leave(request: PageRequest) -> HttpResponse:
    group = request.session.pop(SESSION_KEY, None)
    if group is None or not request.user.is_staff:
        return redirect("portal:home")
    return redirect("admin:accounts_group_change", group)


def not_shown(request: HttpRequest) -> HttpResponse:
    """For pages that belong to a person, and for whatever would change something."""
    return render(request, "portal/not_in_preview.html", status=403)


class PreviewMiddleware:
    """Lets the portal's pages see a group's eyes in place of the administrator."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        page = request.resolver_match
        if page is None or page.app_name != "portal" or page.url_name in _OWN_VIEWS:
            return None
        group = _previewed(request)
        if group is None:
            return None
        request.user = GroupViewer(group)
        if group.name == GUESTS and portal_settings_of(request).sign_in_required:
            return not_shown(request)
        return None if request.method in SAFE_METHODS else not_shown(request)


def _previewed(request: HttpRequest) -> Group | None:
    """The group whose eyes are lent, while the person may still look."""
    chosen = request.session.get(SESSION_KEY)
    if chosen is None or not _may_preview(request):
        return None
    return Group.objects.filter(pk=chosen).first()


def _may_preview(request: HttpRequest) -> bool:
    user = request.user
    if not isinstance(user, User) or second_factors.lacks_required(user, portal_settings_of(request)):
        return False
    return user.is_staff and user.has_perm("accounts.view_group")
