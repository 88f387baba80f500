"""What answers of deprecated APIs and operations say: Deprecation (RFC 9745), Sunset (RFC 8594), and where to go.

The publisher's word replaces the backend's, field by field: a Sunset of the backend stays where the publisher
says nothing of one. Links are one among others (RFC 8288), so that the backend's stay beside them.
"""

import re
from dataclasses import dataclass
from email.utils import formatdate

from gateway.configuration.snapshot import API, Deprecation

_SUNSET = b"Sunset: "
_BACKENDS_DEPRECATION = re.compile(rb"(?i)(?<=\r\n)deprecation:[^\r]*+\r\n")
_BACKENDS_BOTH = re.compile(rb"(?i)(?<=\r\n)(?:deprecation|sunset):[^\r]*+\r\n")


@dataclass(frozen=True, slots=True)
class DeprecationLines:
    """Field lines for each answer of an API, empty or each with its CRLF, and those of operations that say more."""

    of_api: bytes
    of_operations: dict[int, bytes]

    def answer_lines(self, operation: int | None) -> bytes:
        """`operation` is None where the call is of none."""
        return self.of_api if operation is None else self.of_operations.get(operation, self.of_api)


def deprecation_lines_of(api: API) -> DeprecationLines | None:
    """None where neither the API nor an operation of it is deprecated."""
    of_operations = {one.id: _lines(one.deprecation) for one in api.operations if one.deprecation is not None}
    if api.deprecation is None and not of_operations:
        return None
    return DeprecationLines(_lines(api.deprecation) if api.deprecation is not None else b"", of_operations)


def _lines(deprecation: Deprecation) -> bytes:
    lines = [f"Deprecation: @{deprecation.since}"]
    if deprecation.sunset is not None:
        lines.append(f"Sunset: {formatdate(deprecation.sunset, usegmt=True)}")
    if deprecation.migration_url:
        lines.append(f'Link: <{deprecation.migration_url}>; rel="deprecation"')
    if deprecation.successor_url:
        lines.append(f'Link: <{deprecation.successor_url}>; rel="successor-version"')
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def with_lines(start: bytes, lines: bytes) -> bytes:
    """The start of the head of a backend's answer, with such lines in place of what it says itself."""
    return (_BACKENDS_BOTH if _SUNSET in lines else _BACKENDS_DEPRECATION).sub(b"", start) + lines
