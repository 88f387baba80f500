"""Template filters of form fields."""

from django import template
from django.forms import BoundField, CheckboxInput, RadioSelect
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from accounts import password_rules

register = template.Library()


@register.filter
def is_choice(field: BoundField) -> bool:
    """Whether the label stands behind the field rather than above it."""
    return isinstance(field.field.widget, (CheckboxInput, RadioSelect))


@register.filter
def label(field: BoundField) -> str:
    """The label. Allauth's for addresses is put as our texts put it."""
    return _("E-mail address") if field.label == "Email" else str(field.label)


@register.filter
def hint(field: BoundField) -> str:
    """The help text. Django's for new passwords is a list of all rules; one sentence says the same."""
    if field.help_text and field.field.widget.attrs.get("autocomplete") == "new-password":
        return password_rules.in_words()
    return str(field.help_text)


@register.filter
def control(field: BoundField) -> SafeString:
    """The field's own element, in the portal's style; a placeholder would only repeat the label."""
    return field.as_widget(attrs={"class": "" if is_choice(field) else "input", "placeholder": False})
