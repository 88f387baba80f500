"""W3C Trace Context (https://www.w3.org/TR/trace-context/): who called, and what the backend is told of it."""

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from gateway.http.head import Fields

_TRACEPARENT: Final = re.compile(
    rb"(?!ff)([0-9a-f]{2})-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
_CONTEXT_FIELDS: Final = (b"traceparent", b"tracestate")
_SAMPLED: Final = 1


@dataclass(frozen=True, slots=True)
class Parent:
    """The span of the caller's under which the call stands. Ids are lower-case hexadecimal."""

    trace_id: bytes
    span_id: bytes
    is_sampled: bool


def parent_of(pairs: Iterable[tuple[bytes, bytes]]) -> Parent | None:
    """None where there is no traceparent, or one that does not hold to the standard (3.2.2); or several.

    Of a version to come the known part is read (3.2.4).
    """
    values = [value for name, value in pairs if name == b"traceparent"]
    found = _TRACEPARENT.fullmatch(values[0]) if len(values) == 1 else None
    if found is None or (found[1] == b"00" and found[5] is not None):
        return None
    return Parent(found[2], found[3], bool(int(found[4], 16) & _SAMPLED))


@dataclass(frozen=True, slots=True)
class Trace:
    """The call's own span; `line` tells the backend of it. `scheme` is the one that the caller used."""

    trace_id: bytes
    span_id: bytes
    parent: Parent | None
    is_sampled: bool
    scheme: bytes

    @property
    def line(self) -> bytes:
        flags = _SAMPLED if self.is_sampled else 0
        return b"traceparent: 00-%b-%b-%02x\r\n" % (self.trace_id, self.span_id, flags)


def begin_trace(pairs: Iterable[tuple[bytes, bytes]], ratio: float, scheme: bytes) -> Trace:
    """A span under the caller's, sampled if that is; without one a new trace, of which `ratio` are sampled.

    Ids need to be unlike others, not hard to guess (2.2.3).
    """
    span_id = b"%016x" % (random.getrandbits(64) or 1)
    parent = parent_of(pairs)
    if parent is not None:
        return Trace(parent.trace_id, span_id, parent, parent.is_sampled, scheme)
    trace_id = b"%032x" % (random.getrandbits(128) or 1)
    is_sampled = random.random() < ratio  # noqa: S311
    return Trace(trace_id, span_id, None, is_sampled, scheme)


def without_context(fields: Fields) -> Fields:
    """Without the traceparent, and without a tracestate that then belongs to nothing (3.3.1.1)."""
    dropped = _CONTEXT_FIELDS if parent_of(fields.pairs) is None else _CONTEXT_FIELDS[:1]
    kept = [index for index, (name, _) in enumerate(fields.pairs) if name not in dropped]
    if len(kept) == len(fields.pairs):
        return fields
    return replace(fields, pairs=[fields.pairs[i] for i in kept], lines=[fields.lines[i] for i in kept])


def trace_id_of(pairs: Iterable[tuple[bytes, bytes]], trace: Trace | None) -> bytes | None:
    """The trace that a call belongs to, its own or else its caller's."""
    if trace is not None:
        return trace.trace_id
    parent = parent_of(pairs)
    return parent.trace_id if parent is not None else None
