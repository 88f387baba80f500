"""The rules of passwords in one short sentence."""

from django.contrib.auth import password_validation as rules

_WORDS = {
    rules.MinimumLengthValidator: "at least {0.min_length} characters",
    rules.NumericPasswordValidator: "not only digits",
    rules.CommonPasswordValidator: "not a common password",
    rules.UserAttributeSimilarityValidator: "unlike your name and address",
}


def in_words() -> str:
    """`At least 10 characters, not only digits, ...`; a validator that is not known here says its own text."""
    validators = {type(validator): validator for validator in rules.get_default_password_validators()}
    known = [_WORDS[kind].format(validators[kind]) for kind in _WORDS if kind in validators]
    others = [validator.get_help_text() for kind, validator in validators.items() if kind not in _WORDS]
    sentence = ", ".join(known)
    return " ".join([f"{sentence[:1].upper()}{sentence[1:]}." if sentence else "", *others]).strip()
