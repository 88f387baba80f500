"""The step that takes the second factors off a person who has lost them."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts import second_factors
from accounts.models import User
from portal.administration.model_admin import ModelAdmin
from portal.administration.steps import administrator


def take_off_view(request: HttpRequest, pk: int, *, model_admin: ModelAdmin) -> HttpResponse:
    """GET asks, POST takes them off."""
    user = get_object_or_404(User, pk=pk)
    if not model_admin.has_change_permission(request, user):
        raise PermissionDenied
    if request.method == "POST":
        second_factors.take_off(user, by=administrator(request))
        model_admin.log_change(request, user, _("Second factors taken off."))
        messages.success(request, _("%(person)s signs in without a second factor now.") % {"person": user})
        return redirect("admin:accounts_user_change", user.pk)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Take the second factors off?"),
        "opts": model_admin.opts,
        "note": _(
            "The authenticator app, the passkeys and the recovery codes of %(email)s stop working, and the password "
            "alone signs in. Make sure that it is this person who asks: whoever has the password could otherwise get "
            "in with your help. An e-mail tells of it."
        )
        % {"email": user.email},
        "answer": _("Take them off"),
        "back": {"url": reverse("admin:accounts_user_change", args=[user.pk]), "text": _("Back to the user")},
    }
    return render(request, "admin/question.html", context)
