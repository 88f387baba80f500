"""Forms of the teams' pages."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.address_rules import MAX_LENGTH, refuse_encoded_words
from accounts.models import TeamInvitation, TeamMembership, TeamRole
from accounts.names import validate_name


class TeamNameForm(forms.Form):
    name = forms.CharField(label=_("Name of the team"), max_length=100, validators=[validate_name])


class InviteForm(forms.Form):
    email = forms.EmailField(label=_("E-mail address"), max_length=MAX_LENGTH, validators=[refuse_encoded_words])
    role = forms.ChoiceField(
        label=_("Role"),
        choices=TeamRole.choices,
        initial=TeamRole.MEMBER,
        help_text=_("Members use the subscriptions and see their keys. Owners also change them, and the team."),
    )


class RoleForm(forms.Form):
    member: "forms.ModelChoiceField[TeamMembership]" = forms.ModelChoiceField(TeamMembership.objects.none())
    role = forms.ChoiceField(choices=TeamRole.choices)

    def __init__(self, *args: Any, memberships: QuerySet[TeamMembership], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["member"].queryset = memberships  # type: ignore[attr-defined]


class InvitationForm(forms.Form):
    invitation: "forms.ModelChoiceField[TeamInvitation]" = forms.ModelChoiceField(TeamInvitation.objects.none())

    def __init__(self, *args: Any, invitations: QuerySet[TeamInvitation], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["invitation"].queryset = invitations  # type: ignore[attr-defined]


class DeleteTeamForm(forms.Form):
    """Asks for what cannot be taken back, where there is something to lose."""

    cancel_subscriptions = forms.BooleanField(
        label=_("Cancel the subscriptions of the team: their keys stop working at once"),
        error_messages={"required": _("The team has live subscriptions. Confirm that they end with it.")},
    )

    def __init__(self, *args: Any, has_subscriptions: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not has_subscriptions:
            del self.fields["cancel_subscriptions"]

    @property
    def cancels_subscriptions(self) -> bool:
        return bool(self.cleaned_data.get("cancel_subscriptions"))
