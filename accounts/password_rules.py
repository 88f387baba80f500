"""The rules of passwords in a few words."""

from django.contrib.auth import password_validation as rules
from django.utils.translation import gettext_lazy as _

_WORDS = {
    rules.MinimumLengthValidator: _("At least {0.min_length} characters."),
    rules.NumericPasswordValidator: _("Not only digits."),
    rules.CommonPasswordValidator: _("Not a common password."),
    rules.UserAttributeSimilarityValidator: _("Unlike your name and address."),
}


def in_words() -> str:
    """`At least 10 characters. Not only digits. ...`; a validator that is not known here says its own text."""
    validators = {type(validator): validator for validator in rules.get_default_password_validators()}
    known = [str(words).format(validators[kind]) for kind, words in _WORDS.items() if kind in validators]
    others = [validator.get_help_text() for kind, validator in validators.items() if kind not in _WORDS]
    return " ".join([*known, *others])
