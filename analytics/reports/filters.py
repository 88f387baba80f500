"""`$filter` and `$orderby` of reports, as OData writes them: `timestamp ge datetime'2026-03-01' and apiId eq 3`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TypeAlias
from uuid import UUID

MAX_CHARACTERS = 2000
MAX_CONDITIONS = 20
OPERATORS = frozenset({"eq", "ne", "ge", "gt", "le", "lt"})
FUNCTIONS = frozenset({"contains", "startswith", "endswith", "substringof"})
_TOKEN = re.compile(
    r"\s*(?:(?P<word>[A-Za-z_][A-Za-z0-9_]*(?=[\s(),]|$))|(?P<mark>[(),])"
    r"|(?P<value>(?:datetime)?'(?:[^']|'')*'|[^\s(),']+))"
)

Value: TypeAlias = int | str | UUID | datetime


class Kind(Enum):
    """What a field holds."""

    TIME = "a time such as datetime'2026-03-01T00:00:00Z'"
    NUMBER = "a whole number"
    GUID = "a GUID"
    TEXT = "a text in single quotes"


@dataclass(frozen=True, slots=True)
class Condition:
    """`operator` is one of OPERATORS, or `contains`, `startswith` or `endswith`."""

    field: str
    operator: str
    value: Value


class FilterError(ValueError):
    """`position` counts characters from zero."""

    def __init__(self, message: str, position: int) -> None:
        self.position = position
        super().__init__(f"{message} (character {position + 1})")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


def parse(text: str, fields: Mapping[str, Kind]) -> list[Condition]:
    """Conditions that must all hold. Raises FilterError."""
    if len(text) > MAX_CHARACTERS:
        raise FilterError(f"The filter is longer than {MAX_CHARACTERS} characters", MAX_CHARACTERS)
    if not text.strip():
        return []
    tokens = _Tokens(text)
    conditions = [_condition(tokens, fields)]
    while tokens.next.kind != "end":
        tokens.take("word", "and")
        if len(conditions) == MAX_CONDITIONS:
            raise FilterError(f"The filter has more than {MAX_CONDITIONS} conditions", tokens.next.position)
        conditions.append(_condition(tokens, fields))
    return conditions


class _Tokens:
    """What is left of a filter."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.next = self._read(0)

    def take(self, kind: str, text: str | None = None) -> _Token:
        token = self.next
        if token.kind != kind or (text is not None and token.text.lower() != text):
            wanted = f'"{text}"' if text is not None else f"a {kind}"
            raise FilterError(f"Expected {wanted}", token.position)
        self.next = self._read(token.position + len(token.text))
        return token

    def _read(self, start: int) -> _Token:
        rest = self._text[start:]
        position = start + len(rest) - len(rest.lstrip())
        found = _TOKEN.match(self._text, start)
        if found is None or found.lastgroup is None:
            if position < len(self._text):
                raise FilterError("A text has no end", position)
            return _Token("end", "", position)
        return _Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup))


def _condition(tokens: _Tokens, fields: Mapping[str, Kind]) -> Condition:
    first = tokens.take("word")
    if first.text in FUNCTIONS and tokens.next.text == "(":
        return _function(first, tokens, fields)
    kind = _kind(first, fields)
    operator = tokens.take("word")
    if operator.text not in OPERATORS:
        raise FilterError(f"Expected one of {', '.join(sorted(OPERATORS))}", operator.position)
    return Condition(first.text, operator.text, _value(_take_value(tokens), kind))


def _function(name: _Token, tokens: _Tokens, fields: Mapping[str, Kind]) -> Condition:
    tokens.take("mark", "(")
    if name.text == "substringof":
        value = tokens.take("value")
        tokens.take("mark", ",")
        field = tokens.take("word")
    else:
        field = tokens.take("word")
        tokens.take("mark", ",")
        value = tokens.take("value")
    tokens.take("mark", ")")
    if _kind(field, fields) is not Kind.TEXT:
        raise FilterError(f"{name.text} is for texts, and {field.text} is none", field.position)
    operator = "contains" if name.text == "substringof" else name.text
    return Condition(field.text, operator, _value(value, Kind.TEXT))


def _take_value(tokens: _Tokens) -> _Token:
    """A GUID without hyphens may look like a word."""
    return tokens.take("word" if tokens.next.kind == "word" else "value")


def _kind(field: _Token, fields: Mapping[str, Kind]) -> Kind:
    if field.text not in fields:
        raise FilterError(f"There is no field {field.text}; there are {', '.join(fields)}", field.position)
    return fields[field.text]


def _value(token: _Token, kind: Kind) -> Value:
    is_quoted = token.text.endswith("'")
    text = token.text.removeprefix("datetime")[1:-1].replace("''", "'") if is_quoted else token.text
    try:
        match kind:
            # Databases take neither NUL nor half a surrogate pair.
            case Kind.TEXT if is_quoted and b"\0" not in text.encode():
                return text
            case Kind.NUMBER if text.isascii() and text.isdigit() and len(text) <= 18:
                return int(text)
            case Kind.GUID:
                return UUID(text)
            case Kind.TIME:
                moment = datetime.fromisoformat(text)
                return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise FilterError(f"Expected {kind.value}", token.position)


def parse_order(text: str, fields: frozenset[str]) -> tuple[str, bool] | None:
    """The field, and whether the greatest comes first; None for no wish. Raises FilterError."""
    if not text.strip():
        return None
    field, _, direction = text.strip().partition(" ")
    if field not in fields:
        raise FilterError(f"There is no field {field[:50]} to order by; there are {', '.join(sorted(fields))}", 0)
    if direction.strip() not in ("", "asc", "desc"):
        raise FilterError("Expected asc or desc", len(field) + 1)
    return field, direction.strip() == "desc"
