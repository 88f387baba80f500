"""Forms of the portal's pages."""

import hashlib
import hmac
from typing import Any

from django import forms

from accounts.names import validate_name
from subscriptions.models import Product


def _digest(terms: str) -> str:
    return hashlib.sha256(terms.encode()).hexdigest()


class SubscriptionNameForm(forms.Form):
    display_name = forms.CharField(
        label="Name",
        max_length=100,
        validators=[validate_name],
        help_text="Tells it from your other subscriptions: for example, the app that will use it.",
    )


class SubscribeForm(SubscriptionNameForm):
    """A subscription's name and, where the product has terms, their acceptance."""

    terms = forms.BooleanField(
        label="I accept the terms of use", error_messages={"required": "Read and accept the terms of use first."}
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
            raise forms.ValidationError("The terms of use have changed. Read and accept them again.")
        return digest

    def _ask_again(self) -> None:
        """Let the page that shows the error carry the new terms, not accepted yet."""
        shown = {name: self.data.get(name, "") for name in self.fields if name != "terms"}
        self.data = {**shown, "terms_digest": _digest(self.product.terms)}

    @property
    def accepted_terms(self) -> str:
        """The terms that were on the page and were accepted."""
        return self.product.terms if self.cleaned_data.get("terms") else ""
