"""Forms of the portal's pages."""

import hashlib
import hmac
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Team, Viewer
from accounts.names import validate_name
from subscriptions.keys import Overlap
from subscriptions.models import Product


def _digest(terms: str) -> str:
    return hashlib.sha256(terms.encode()).hexdigest()


class SubscriptionNameForm(forms.Form):
    display_name = forms.CharField(
        label=_("Name"),
        max_length=100,
        validators=[validate_name],
        help_text=_("Tells it from your other subscriptions: for example, the app that will use it."),
    )


class ForWhomForm(SubscriptionNameForm):
    """A subscription's name, and where the person owns teams, whether it is for one of them."""

    team = forms.ModelChoiceField(
        Team.objects.none(),
        label=_("For"),
        required=False,
        empty_label=_("Myself"),
        help_text=_("A team's members see its keys, and its owners change it."),
    )

    def __init__(self, *args: Any, viewer: Viewer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        owned = Team.objects.owned_by(viewer) if viewer.is_authenticated else Team.objects.none()
        if owned.exists():
            self.fields["team"].queryset = owned  # type: ignore[attr-defined]
        else:
            del self.fields["team"]

    @property
    def owning_team(self) -> Team | None:
        return self.cleaned_data.get("team")


class RegenerateForm(forms.Form):
    overlap = forms.TypedChoiceField(
        label=_("How long the old key works on"),
        choices=Overlap.choices,
        coerce=lambda seconds: Overlap(int(seconds)),
        help_text=_(
            "Time for your programs to take over the new key. Somebody else has the old one? Not at all, then."
        ),
    )
    # The key that is on the page: pressing twice must not replace the new one.
    replaces = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2**63 - 1)


class TransferForm(forms.Form):
    team = forms.ModelChoiceField(Team.objects.none(), label=_("New owner"), empty_label=_("Choose a team"))
    comment = forms.CharField(label=_("Comment"), required=False, max_length=4000, help_text=_("Kept in the history."))

    def __init__(self, *args: Any, teams: QuerySet[Team], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["team"].queryset = teams  # type: ignore[attr-defined]


class SubscribeForm(ForWhomForm):
    """A subscription's name, whom it is for and, where the product has terms, their acceptance."""

    terms = forms.BooleanField(
        label=_("I accept the terms of use"), error_messages={"required": _("Read and accept the terms of use first.")}
    )
    # Tells which terms were on the page: those that were read are accepted, no later ones.
    terms_digest = forms.CharField(widget=forms.HiddenInput, max_length=64)

    def __init__(self, *args: Any, product: Product, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.product = product
        if product.terms:
            self.initial["terms_digest"] = _digest(product.terms)
        else:
            del self.fields["terms"], self.fields["terms_digest"]

    def clean_terms_digest(self) -> str:
        digest: str = self.cleaned_data["terms_digest"]
        if not hmac.compare_digest(digest.encode(), _digest(self.product.terms).encode()):
            self._ask_again()
            raise forms.ValidationError(gettext("The terms of use have changed. Read and accept them again."))
        return digest

    def _ask_again(self) -> None:
        """Let the page that shows the error carry the new terms, not accepted yet."""
        shown = {name: self.data.get(name, "") for name in self.fields if name != "terms"}
        self.data = {**shown, "terms_digest": _digest(self.product.terms)}

    @property
    def accepted_terms(self) -> str:
        """The terms that were on the page and were accepted."""
        return self.product.terms if self.cleaned_data.get("terms") else ""
