"""Template filters of form fields."""

from django import template
from django.forms import BoundField, CheckboxInput, RadioSelect
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def is_choice(field: BoundField) -> bool:
    """Whether the label stands behind the field rather than above it."""
    return isinstance(field.field.widget, (CheckboxInput, RadioSelect))


@register.filter
def control(field: BoundField) -> SafeString:
    """The field's own element, in the portal's style; a placeholder would only repeat the label."""
    attrs = {"placeholder": False} if is_choice(field) else {"class": "input", "placeholder": False}
    return field.as_widget(attrs=attrs)
