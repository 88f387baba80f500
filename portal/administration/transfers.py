"""Handing a subscription on to another person or team."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.models import Team, User
from portal.administration.model_admin import ModelAdmin, choose_one
from portal.administration.steps import administrator
from subscriptions import lifecycle
from subscriptions.models import Subscription
from subscriptions.ownership import transfer


class TransferForm(forms.Form):
    owner = forms.ModelChoiceField(
        User.objects.filter(state=User.State.ACTIVE),
        label=_("Person"),
        required=False,
        widget=choose_one(Subscription, "owner"),
    )
    team = forms.ModelChoiceField(
        Team.objects.filter(deleted_at=None),
        label=_("Or team"),
        required=False,
        widget=choose_one(Subscription, "team"),
    )
    comment = forms.CharField(
        label=_("Comment"),
        required=False,
        max_length=4000,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
        help_text=_("The old and the new owner can read it."),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors and bool(data.get("owner")) == bool(data.get("team")):
            raise ValidationError(gettext("Choose a person or a team."))
        return data


def transfer_view(request: HttpRequest, *, pk: UUID, model_admin: ModelAdmin) -> HttpResponse:
    subscription = get_object_or_404(Subscription.objects.select_related("owner", "team", "product", "api"), pk=pk)
    if not model_admin.has_change_permission(request, subscription):
        raise PermissionDenied
    form = TransferForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        data = form.cleaned_data
        try:
            transfer(subscription, to=data["owner"] or data["team"], by=administrator(request), comment=data["comment"])
        except lifecycle.LifecycleError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, gettext("The subscription is handed on."))
            return redirect("admin:subscriptions_subscription_change", pk)
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "title": gettext("Hand on %(name)s") % {"name": subscription.display_name},
        "opts": model_admin.opts,
        "subscription": subscription,
        "form": form,
    }
    return render(request, "admin/subscriptions/subscription/transfer.html", context)
