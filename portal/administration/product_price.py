"""The price among the fields of a product's page."""

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from subscriptions.models import Price

# By the names of the model's fields; on the page they begin with "price_".
FIELDS = ("kind", "currency", "per_month", "included_calls", "per_thousand_calls", "text")
_NOT_STATED = [("", _("Not stated"))]


class PriceFields(forms.Form):
    """Told apart from the product's own fields by their prefix; an empty kind states no price."""

    price_kind = forms.ChoiceField(
        label=_("Price"),
        choices=[*_NOT_STATED, *Price.Kind.choices],
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=_("A change holds for all of the running month; months that are over keep their price."),
    )
    price_currency = forms.CharField(
        label=_("Currency"),
        required=False,
        max_length=3,
        widget=UnfoldAdminTextInputWidget({"autocapitalize": "characters", "spellcheck": "false"}),
        help_text=_("Three letters, such as EUR or USD."),
    )
    price_per_month = forms.DecimalField(
        label=_("Amount per month"),
        required=False,
        max_digits=12,
        decimal_places=3,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text=_("For each subscription, whether it calls or not."),
    )
    price_included_calls = forms.IntegerField(
        label=_("Included calls per month"),
        required=False,
        min_value=0,
        max_value=10**15,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("So many cost nothing more."),
    )
    price_per_thousand_calls = forms.DecimalField(
        label=_("Amount per 1,000 calls"),
        required=False,
        max_digits=12,
        decimal_places=6,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text=_("For each call past the included ones, a thousandth of it."),
    )
    price_text = forms.CharField(
        label=_("Price in words"),
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Stands alone, such as “Talk to us”, or below the figures, such as “Without VAT”."),
    )


def initial_of(price: Price | None) -> dict[str, Any]:
    if price is None:
        return {}
    values = {f"price_{name}": getattr(price, name) for name in FIELDS}
    return {name: f"{value.normalize():f}" if isinstance(value, Decimal) else value for name, value in values.items()}


def price_of(cleaned: dict[str, Any]) -> Price | None:
    """The price that was filled in; raises ValidationError, with the names of the page's fields."""
    kind = cleaned.get("price_kind")
    values = {name: cleaned.get(f"price_{name}") for name in FIELDS}
    values["currency"] = (values["currency"] or "").upper()
    if not kind:
        if any(value not in (None, "") for value in values.values()):
            raise ValidationError({"price_kind": _("Choose what kind of price it is.")})
        return None
    price = Price(**values)
    try:
        price.full_clean(exclude=["product"])
    except ValidationError as error:
        fields = {f"price_{name}" if name in FIELDS else name: texts for name, texts in error.error_dict.items()}
        raise ValidationError(fields) from error
    return price
