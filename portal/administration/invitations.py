"""The pages of invitations: whom to invite, who was, and new links for those who lost theirs."""

import re
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts import invitations
from accounts.address_rules import validate_address
from accounts.models import Group, Invitation
from accounts.names import validate_name
from portal.administration.labels import label_column
from portal.administration.model_admin import RowsField, choose_many
from portal.administration.read_only import ReadOnlyAdmin
from portal.administration.steps import administrator

MAX_ADDRESSES = 200
COLOURS = {"accepted": "success", "revoked": "danger", "expired": "warning", "open": "info"}


class InviteForm(forms.Form):
    emails = forms.CharField(
        label=_("E-mail addresses"),
        max_length=MAX_ADDRESSES * 256,
        widget=UnfoldAdminTextareaWidget({"rows": 4}),
        help_text=_("One a line, or with commas between them."),
    )
    first_name = forms.CharField(
        label=_("First name"),
        required=False,
        max_length=100,
        validators=[validate_name],
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Only where you invite one person, who can change it."),
    )
    last_name = forms.CharField(
        label=_("Last name"),
        required=False,
        max_length=100,
        validators=[validate_name],
        widget=UnfoldAdminTextInputWidget,
    )
    note = forms.CharField(
        label=_("Note"),
        required=False,
        max_length=2000,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
        help_text=_("Stands in the mail."),
    )
    groups = RowsField(
        Group.objects.filter(built_in=False),
        required=False,
        label=_("Groups"),
        widget=choose_many(Invitation, "groups"),
        help_text=_("They are joined as the invitation is accepted."),
    )

    def clean_emails(self) -> list[str]:
        emails = [email for email in re.split(r"[\s,;]+", self.cleaned_data["emails"]) if email]
        if len(emails) > MAX_ADDRESSES:
            raise ValidationError(
                gettext("Invite at most %(limit)s people at a time, not %(count)s."),
                params={"limit": MAX_ADDRESSES, "count": len(emails)},
            )
        for email in emails:
            try:
                validate_address(email)
            except ValidationError as error:
                raise ValidationError(gettext("%(email)s is no e-mail address."), params={"email": email}) from error
        return emails

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if len(data.get("emails", [])) > 1 and (data.get("first_name") or data.get("last_name")):
            self.add_error("first_name", _("Leave the name empty where you invite more than one person."))
        return data


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    list_display = ["email", "shown_state", "sent_at", "expires_at", "invited_by", "accepted_by"]
    list_select_related = ["invited_by", "accepted_by"]
    search_fields = ["email", "first_name", "last_name"]
    list_per_page = 50
    show_full_result_count = False
    fields = ["email", "first_name", "last_name", "note", "groups", "invited_by", "sent_at", "expires_at"]
    actions = ["send_again", "revoke"]

    @label_column(str(_("state")), colours=COLOURS)
    def shown_state(self, invitation: Invitation) -> tuple[str, str]:
        if invitation.accepted_at is not None:
            return "accepted", gettext("Accepted")
        if invitation.revoked_at is not None:
            return "revoked", gettext("Revoked")
        if not invitation.is_usable(timezone.now()):
            return "expired", gettext("Expired")
        return "open", gettext("Open")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("accounts.add_invitation"))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = InviteForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            with transaction.atomic():
                outcome = invitations.invite(by=administrator(request), **form.cleaned_data)
                for row in outcome.invited:
                    self.log_addition(request, row, gettext("Invited."))
            _tell(request, outcome)
            return redirect("admin:accounts_invitation_changelist")
        context = {
            **self.admin_site.each_context(request),
            "title": _("Invite people"),
            "opts": self.opts,
            "form": form,
        }
        return render(request, "admin/accounts/invitation/invite.html", context)

    @admin.action(description=_("Send again, with a new link"), permissions=["add"])
    def send_again(self, request: HttpRequest, chosen: QuerySet[Invitation]) -> None:
        self._change(request, chosen, invitations.send_again, gettext("A new link was sent."))

    @admin.action(description=_("Revoke"), permissions=["add"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[Invitation]) -> None:
        self._change(request, chosen, invitations.revoke, gettext("The link works no more."))

    def _change(
        self,
        request: HttpRequest,
        chosen: QuerySet[Invitation],
        operation: Callable[[Invitation], None],
        outcome: str,
    ) -> None:
        for row in chosen[:MAX_ADDRESSES]:
            try:
                operation(row)
            except invitations.Unusable:
                messages.error(request, _("%(email)s: the invitation is not open.") % {"email": row.email})
            else:
                self.log_change(request, row, outcome)
                messages.success(request, f"{row.email}: {outcome}")


def _tell(request: HttpRequest, outcome: invitations.Outcome) -> None:
    if outcome.invited:
        count = len(outcome.invited)
        text = ngettext("%(count)s invitation is on its way.", "%(count)s invitations are on their way.", count)
        messages.success(request, text % {"count": count})
    for user in outcome.joined:
        messages.info(request, _("%(email)s has an account, and is in the groups now.") % {"email": user.email})
