"""Accepting the portal's terms of use: those that were on the page, and no later ones."""

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from portalsettings import models as portal_settings
from portalsettings.models import Terms


class TermsForm(forms.Form):
    """A check box for the terms in force; nothing where there are none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.terms_in_force = Terms.objects.in_force()
        if self.terms_in_force is None:
            return
        settings = portal_settings.current()
        self.fields["terms"] = forms.BooleanField(
            label=settings.terms_consent or _("I accept the terms of use"),
            required=settings.terms_required,
            error_messages={"required": _("Read and accept the terms of use first.")},
        )
        self.fields["terms_version"] = forms.IntegerField(widget=forms.HiddenInput, initial=self.terms_in_force.pk)

    def clean_terms_version(self) -> int:
        assert self.terms_in_force is not None
        version: int = self.cleaned_data["terms_version"]
        if version != self.terms_in_force.pk:
            # The page that shows the error carries the new terms, not accepted yet.
            shown = {name: self.data.get(name, "") for name in self.fields if name != "terms"}
            self.data = {**shown, "terms_version": str(self.terms_in_force.pk)}
            raise forms.ValidationError(_("The terms of use have changed. Read and accept them again."))
        return version

    def note_acceptance(self, user: User) -> None:
        """Keep which version the person accepted, and when."""
        if self.terms_in_force is not None and self.cleaned_data["terms"]:
            accept(user, self.terms_in_force)


def accept(user: User, terms: Terms) -> None:
    user.accepted_terms, user.terms_accepted_at = terms, timezone.now()
    user.save(update_fields=["accepted_terms", "terms_accepted_at"])


def has_to_accept(user: User) -> bool:
    """Whether terms are in force that the person must accept and has not."""
    in_force = Terms.objects.in_force()
    return in_force is not None and user.accepted_terms_id != in_force.pk and portal_settings.current().terms_required
