"""The URL of a call, made from an operation's template and the values for it.

Values are percent-encoded, so none can leave its place in the URL.
"""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from django.utils.translation import gettext as _

from apis.url_templates import Segment, SegmentKind, URLTemplate

# What JavaScript's encodeURIComponent leaves alone, so that the page's script shows the same URL.
_UNTOUCHED = "!'()*-._~"
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")


def encode(value: str) -> str:
    return quote(value, safe=_UNTOUCHED)


def literal(text: str) -> str:
    """A literal of a template as it goes over the wire: escapes in upper case (RFC 3986, 6.2.2.1)."""
    return _ESCAPE.sub(lambda found: found[0].upper(), text)


def wrong_path_value(value: str) -> str:
    """Why the value cannot be part of a path; empty when it can."""
    if any(piece.partition(";")[0] in (".", "..") for piece in re.split(r"[/\\]", value)):
        return "'.' and '..' cannot be sent in a path: programs on the way would resolve them (RFC 3986, 5.2.4)."
    if "\0" in value:
        return _("A path cannot hold a null character.")
    return ""


def target(template: URLTemplate, values: Mapping[str, str], query: Sequence[tuple[str, str]]) -> str:
    """Path and query below the API's URL. `values` are those of the template's parameters, by name."""
    path = "".join("/" + _filled(segment, values) for segment in template.segments)
    pairs = [
        f"{part.name}={encode(values[part.value]) if part.is_parameter else literal(part.value)}"
        for part in template.query
    ]
    pairs += [f"{encode(name)}={encode(value)}" for name, value in query]
    return f"{path}?{'&'.join(pairs)}" if pairs else path


def _filled(segment: Segment, values: Mapping[str, str]) -> str:
    if segment.kind is SegmentKind.LITERAL:
        return literal(segment.text)
    value = values[segment.text]
    if segment.kind is SegmentKind.WILDCARD:
        return "/".join(encode(piece) for piece in value.split("/"))
    return encode(value)
