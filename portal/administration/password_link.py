"""The step that sends a person a link to choose a new password."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts import password_link
from accounts.models import User
from portal.administration.model_admin import ModelAdmin


def send_view(request: HttpRequest, pk: int, *, model_admin: ModelAdmin) -> HttpResponse:
    """GET asks, POST sends it."""
    user = get_object_or_404(User, pk=pk)
    if not model_admin.has_change_permission(request, user):
        raise PermissionDenied
    if request.method == "POST":
        try:
            with transaction.atomic():
                password_link.send(user)
                model_admin.log_change(request, user, _("Password reset sent."))
        except password_link.NotActive:
            messages.error(request, _("Activate the account first: nobody could sign in with the new password."))
        else:
            messages.success(request, _("The link is on its way to %(email)s.") % {"email": user.email})
        return redirect("admin:accounts_user_change", user.pk)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Send a password reset?"),
        "opts": model_admin.opts,
        "note": _(
            "%(email)s gets an e-mail with a link to choose a new password. "
            "Until the link is used, the password stays as it is."
        )
        % {"email": user.email},
        "answer": _("Send the link"),
        "back": {"url": reverse("admin:accounts_user_change", args=[user.pk]), "text": _("Back to the user")},
    }
    return render(request, "admin/question.html", context)
