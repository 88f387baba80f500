"""What administrators ask of people beside their names: its form fields, and the values that were filled in."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.core.validators import URLValidator
from django.db import transaction

from accounts.models import CUSTOM_VALUE_LENGTH, CustomField, CustomValue, User
from accounts.names import validate_name

Kind = CustomField.Kind
TICKED = "yes"
_PREFIX = "custom_"


def form_fields() -> dict[str, forms.Field]:
    """A form field, by its name, for each custom field."""
    return {f"{_PREFIX}{field.pk}": _form_field(field) for field in CustomField.objects.all()}


def values_of(user: User) -> dict[str, Any]:
    """What the person has filled in, by the names of the form fields."""
    return {f"{_PREFIX}{value.field_id}": value.value for value in user.custom_values.all()}


def lacks_required(user: User) -> bool:
    return CustomField.objects.filter(required=True).exclude(values__user=user).exists()


def own_data(user: User) -> dict[str, str]:
    """What the person has filled in, by label."""
    return {value.field.label: value.value for value in user.custom_values.select_related("field")}


def save(user: User, cleaned: Mapping[str, Any]) -> None:
    """Keep what a valid form with these fields holds; what is left empty has no row."""
    with transaction.atomic():
        for name, value in cleaned.items():
            if not name.startswith(_PREFIX):
                continue
            field_id, text = int(name.removeprefix(_PREFIX)), _text(value)
            if text:
                CustomValue.objects.update_or_create(user=user, field_id=field_id, defaults={"value": text})
            else:
                CustomValue.objects.filter(user=user, field_id=field_id).delete()


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return TICKED if value else ""
    return f"{value:f}" if isinstance(value, Decimal) else str(value or "")


def _form_field(field: CustomField) -> forms.Field:
    common: dict[str, Any] = {"label": field.label, "help_text": field.help_text, "required": field.required}
    length = min(field.max_length, CUSTOM_VALUE_LENGTH)
    match field.kind:
        case Kind.CHECK_BOX:
            return forms.BooleanField(**common)
        case Kind.NUMBER:
            return forms.DecimalField(**common, max_digits=20, decimal_places=6)
        case Kind.URL:
            web = URLValidator(schemes=["http", "https"])
            return forms.URLField(**common, max_length=length, assume_scheme="https", validators=[web])
        case Kind.CHOICE:
            return forms.ChoiceField(**common, choices=[("", ""), *((one, one) for one in field.choice_list)])
        case _:
            return forms.CharField(**common, max_length=length, validators=[validate_name])
