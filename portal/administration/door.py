"""Who comes in: the administration has no sign-in of its own, the portal's rate-limited one serves both."""

from typing import cast

# These two register models that are taken away below: what is registered later could not be.
import allauth.account.admin  # noqa: F401
import django.contrib.auth.admin  # noqa: F401
from allauth.account.models import EmailAddress, EmailConfirmation
from django.contrib import admin
from django.contrib.auth import logout
from django.contrib.auth.models import Group as PermissionGroup
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts import second_factors
from accounts.models import User
from portal.http import PageRequest, portal_settings_of
from portal.signing_in import page_of, to_sign_in


@never_cache
def sign_in(request: HttpRequest, extra_context: object = None) -> HttpResponse:
    """Send on whoever may use the administration, tell others that they may not, let the rest sign in."""
    target = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        target = reverse("admin:index")
    if may_enter(request):
        return redirect(target)
    if isinstance(request.user, User) and second_factors.lacks_required(request.user, portal_settings_of(request)):
        return render(request, "admin/turned_away.html", {"needs_second_factor": True}, status=403)
    if request.user.is_authenticated:
        return render(request, "admin/turned_away.html", status=403)
    page = cast(PageRequest, request)
    return to_sign_in(page, back_to=page_of(page) if page.htmx else target)


def may_enter(request: HttpRequest) -> bool:
    """For each page of the administration, so that a right that is taken ends at once."""
    user = request.user
    if not isinstance(user, User) or not user.is_active or not user.is_staff:
        return False
    return not second_factors.lacks_required(user, portal_settings_of(request))


@require_POST
def sign_out(request: HttpRequest, extra_context: object = None) -> HttpResponse:
    logout(request)
    return redirect("portal:home")


def change_password(request: HttpRequest, extra_context: object = None) -> HttpResponse:
    return redirect("account_change_password")


admin.site.has_permission = may_enter  # type: ignore[method-assign]
admin.site.login = sign_in  # type: ignore[assignment]
admin.site.logout = sign_out  # type: ignore[assignment]
admin.site.password_change = change_password  # type: ignore[assignment]

admin.site.index_title = _("Start")

# Rights are given on a user's own page, and confirmed addresses are shown there.
for model in (PermissionGroup, EmailAddress, EmailConfirmation):
    if admin.site.is_registered(model):
        admin.site.unregister(model)
