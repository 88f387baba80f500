"""Pairs of name and secret value as a person writes them: a line each, and a stored value stays hidden."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from backends.validators import QUERY_NAME, validate_header_name

MAX_PAIRS = 20
MAX_NAME_CHARACTERS = 100
MAX_VALUE_CHARACTERS = 4000
# Stands for a value that is stored and not shown.
HIDDEN = "••••••••"

Pairs = tuple[tuple[str, str], ...]

# RFC 9110, 5.5, without the obsolete octets.
_ANOTHER_PARAMETER = re.compile(r"&[A-Za-z0-9\-._~]+=")
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")


@dataclass(frozen=True, slots=True)
class Kind:
    """What stands between name and value, when two names are one, and what a pair may look like."""

    separator: str
    fold: Callable[[str], str]
    check: Callable[[str, str], None]


def shown(kind: Kind, pairs: Pairs) -> str:
    return "\n".join(f"{name}{kind.separator}{HIDDEN}" for name, _ in pairs)


def parse(kind: Kind, text: str, stored: Pairs) -> Pairs:
    """The pairs in the lines; a hidden value is the stored one of that name.

    Raises ValidationError that names a line by its number, because a line may be nothing but a secret.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > MAX_PAIRS:
        raise ValidationError(gettext("Give at most %(limit)s lines.") % {"limit": MAX_PAIRS})
    known = {kind.fold(name): value for name, value in stored}
    found: dict[str, tuple[str, str]] = {}
    for number, line in enumerate(lines, 1):
        try:
            name, value = _pair(kind, line, known)
            if kind.fold(name) in found:
                raise ValidationError(gettext("%(name)s is there twice.") % {"name": name})
        except ValidationError as error:
            raise ValidationError(
                gettext("Line %(number)s: %(problem)s") % {"number": number, "problem": error.messages[0]}
            ) from None
        found[kind.fold(name)] = name, value
    return tuple(found.values())


def _pair(kind: Kind, line: str, known: dict[str, str]) -> tuple[str, str]:
    name, _, value = (part.strip() for part in line.partition(kind.separator.strip()))
    if not value:
        raise ValidationError(gettext("Write name%(separator)svalue.") % {"separator": kind.separator})
    if len(name) > MAX_NAME_CHARACTERS or len(value) > MAX_VALUE_CHARACTERS:
        raise ValidationError(
            gettext("A name has at most %(name_limit)s characters, a value at most %(value_limit)s.")
            % {"name_limit": MAX_NAME_CHARACTERS, "value_limit": MAX_VALUE_CHARACTERS}
        )
    if value == HIDDEN and kind.fold(name) not in known:
        raise ValidationError(gettext("There is no stored value of this name: write the value."))
    value = known[kind.fold(name)] if value == HIDDEN else value
    kind.check(name, value)
    return name, value


def _check_header(name: str, value: str) -> None:
    validate_header_name(name)
    if not _HEADER_VALUE.fullmatch(value):
        raise ValidationError(gettext("The value of a header has printable ASCII characters only."))


def _check_query(name: str, value: str) -> None:
    QUERY_NAME(name)
    if _ANOTHER_PARAMETER.search(value):
        raise ValidationError(gettext("Write each parameter on a line of its own."))
    if not value.isprintable():
        raise ValidationError(gettext("The value has printable characters only."))


HEADER = Kind(": ", str.lower, _check_header)
QUERY = Kind("=", str, _check_query)
