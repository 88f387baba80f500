"""URL templates of operations: `/jobs/{jobid}?api-version={apiversion}`.

A template is a path and, optionally, a query. A path segment is a literal, one parameter `{name}`,
or, as the last one, a wildcard: `*` or `{*name}`, which covers the rest of the path. A query
parameter of the template is required, so it takes part in matching; its value is a parameter or a
literal. Knows no Django: the gateway compiles the same templates.

Source: Azure's add-api-manually.md and API operation contract (`urlTemplate`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from urllib.parse import unquote_to_bytes

MAX_TEMPLATE_CHARACTERS = 1000
MAX_SEGMENTS = 64

_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.\-]{0,99})\}")
_LITERAL = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()+,;=:@]|%[0-9A-Fa-f]{2})*")
_QUERY_NAME = re.compile(r"(?:[A-Za-z0-9\-._~!$'()*,;:@/\[\]]|%[0-9A-Fa-f]{2})+")
_QUERY_LITERAL = re.compile(r"(?:[A-Za-z0-9\-._~!$'()*+,;:@/?]|%[0-9A-Fa-f]{2})*")


def _(text: str) -> str:
    """Marks a text for the catalogues; whoever shows it has it translated."""
    return text


class TemplateError(ValueError):
    """A template cannot be used. `text` has a placeholder for each of `values`; `position` counts from 0."""

    def __init__(self, text: str, position: int, /, **values: object) -> None:
        self.text, self.position, self.values = text, position, values
        super().__init__(self.worded())

    def worded(self, translate: Callable[[str], str] = str) -> str:
        message = translate(self.text) % self.values
        return translate(_("%(message)s (at character %(character)s)")) % {
            "message": message,
            "character": self.position + 1,
        }


class SegmentKind(Enum):
    LITERAL = "literal"
    PARAMETER = "parameter"
    WILDCARD = "wildcard"


@dataclass(frozen=True, slots=True)
class Segment:
    """`text` is the literal as written, or the parameter's name (`*` for the bare wildcard)."""

    kind: SegmentKind
    text: str

    @property
    def comparable(self) -> bytes:
        """A literal as it is compared: percent-decoded once, ASCII letters in lower case."""
        return unquote_to_bytes(self.text).lower()


@dataclass(frozen=True, slots=True)
class QueryPart:
    """A required query parameter; its value is a parameter's name or a literal."""

    name: str
    value: str
    is_parameter: bool

    @property
    def comparable(self) -> tuple[bytes, bytes | None]:
        """Name and literal value, percent-decoded once; None where any value will do."""
        return unquote_to_bytes(self.name), None if self.is_parameter else unquote_to_bytes(self.value)


@dataclass(frozen=True, slots=True)
class URLTemplate:
    segments: tuple[Segment, ...]
    query: tuple[QueryPart, ...]

    @property
    def path_parameters(self) -> tuple[str, ...]:
        return tuple(part.text for part in self.segments if part.kind is not SegmentKind.LITERAL)

    @property
    def wildcards(self) -> tuple[str, ...]:
        """Names of the path parameters whose value may be empty."""
        return tuple(part.text for part in self.segments if part.kind is SegmentKind.WILDCARD)

    @property
    def query_parameters(self) -> tuple[str, ...]:
        return tuple(part.value for part in self.query if part.is_parameter)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of all template parameters, in order."""
        return self.path_parameters + self.query_parameters

    @property
    def shape(self) -> tuple[object, ...]:
        """Two templates of one method and the same shape would match the same calls."""
        path = tuple(part.comparable if part.kind is SegmentKind.LITERAL else part.kind for part in self.segments)
        return (path, frozenset(part.comparable for part in self.query))


@lru_cache(maxsize=20_000)
def parse(template: str) -> URLTemplate:
    """Read a template. Raises TemplateError saying what is wrong and at which character.

    Remembered, for publisher and gateway read all templates again whenever one row has changed.
    """
    if not template.startswith("/"):
        raise TemplateError(_("A URL template begins with a slash"), 0)
    if len(template) > MAX_TEMPLATE_CHARACTERS:
        raise TemplateError(
            _("A URL template has at most %(limit)s characters"), MAX_TEMPLATE_CHARACTERS, limit=MAX_TEMPLATE_CHARACTERS
        )
    if "#" in template:
        raise TemplateError(_("A URL template has no fragment"), template.index("#"))
    path, question_mark, query = template.partition("?")
    parsed = URLTemplate(_parse_path(path), _parse_query(query, len(path) + 1) if question_mark else ())
    _refuse_repeated_parameters(parsed, template)
    return parsed


def _parse_path(path: str) -> tuple[Segment, ...]:
    texts = path[1:].split("/")
    if len(texts) > MAX_SEGMENTS:
        raise TemplateError(_("A URL template has at most %(limit)s segments"), 0, limit=MAX_SEGMENTS)
    segments = []
    position = 1
    for index, text in enumerate(texts):
        segment = _parse_segment(text, position)
        if segment.kind is SegmentKind.WILDCARD and index != len(texts) - 1:
            raise TemplateError(_("A wildcard can only be the last segment"), position)
        segments.append(segment)
        position += len(text) + 1
    return tuple(segments)


def _parse_segment(text: str, position: int) -> Segment:
    if text in ("*", "{*}"):
        return Segment(SegmentKind.WILDCARD, "*")
    if text.startswith("{*") and _PARAMETER.fullmatch("{" + text[2:]):
        return Segment(SegmentKind.WILDCARD, text[2:-1])
    if found := _PARAMETER.fullmatch(text):
        return Segment(SegmentKind.PARAMETER, found[1])
    if "{" in text or "}" in text:
        raise TemplateError(
            _("'%(text)s' is neither plain text nor one parameter such as {name}"),
            position + _first_brace(text),
            text=text,
        )
    if text in (".", ".."):
        raise TemplateError(_("'%(text)s' cannot be a segment"), position, text=text)
    found = _LITERAL.match(text)
    end = found.end() if found else 0
    if end != len(text):
        raise TemplateError(
            _("'%(character)s' is not allowed in a path; write it percent-encoded"), position + end, character=text[end]
        )
    return Segment(SegmentKind.LITERAL, text)


def _first_brace(text: str) -> int:
    return min(index for index in (text.find("{"), text.find("}")) if index >= 0)


def _parse_query(query: str, start: int) -> tuple[QueryPart, ...]:
    parts: list[QueryPart] = []
    position = start
    for text in query.split("&"):
        name, equals, value = text.partition("=")
        if not _QUERY_NAME.fullmatch(name) or not equals:
            raise TemplateError(_("'%(text)s' in the query is not of the form name={parameter}"), position, text=text)
        if any(part.name == name for part in parts):
            raise TemplateError(_("The query names '%(name)s' twice"), position, name=name)
        found = _PARAMETER.fullmatch(value)
        if not found and not _QUERY_LITERAL.fullmatch(value):
            raise TemplateError(
                _("'%(value)s' in the query is neither plain text nor one parameter such as {name}"),
                position + len(name) + 1,
                value=value,
            )
        parts.append(QueryPart(name, found[1] if found else value, found is not None))
        position += len(text) + 1
    return tuple(parts)


def _refuse_repeated_parameters(parsed: URLTemplate, template: str) -> None:
    seen: set[str] = set()
    for name in parsed.parameters:
        if name.lower() in seen:
            raise TemplateError(_("The parameter '%(name)s' is used twice"), template.rfind(name), name=name)
        seen.add(name.lower())
