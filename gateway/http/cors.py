"""Which pages may read an API's answers in a browser (Fetch standard 3.2), in answers of all kinds.

For origins that an API lists, the gateway speaks in place of the backend.
"""

import re
from dataclasses import dataclass
from typing import Final

ANY: Final = b"*"
# An answer depends on the Origin field also where there is none, or caches would mix up answers (Fetch 3.2.5).
NOT_ALLOWED: Final = b"Vary: Origin\r\n"
_ALLOWED: Final = (
    b"Access-Control-Allow-Origin: %b\r\n"
    b"Access-Control-Expose-Headers: X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, "
    b"Deprecation, Sunset, Link\r\n" + NOT_ALLOWED
)
# Two values of any other would be no good to a browser; what the backend exposes stays exposed.
_BACKENDS_OWN = re.compile(rb"(?i)(?<=\r\n)access-control-(?!expose-headers:)[^\r]*+\r\n")


@dataclass(frozen=True, slots=True)
class CORS:
    """What an API's answers say to pages, by their origin."""

    lines: dict[bytes, bytes]
    lines_for_others: bytes

    def answer_lines(self, origin: bytes | None) -> bytes:
        """For each answer of the API. Without an Origin field, nobody asks."""
        return NOT_ALLOWED if origin is None else self.lines.get(origin, self.lines_for_others)


def cors_of(origins: tuple[str, ...]) -> CORS | None:
    if not origins:
        return None
    allowed = [origin.encode() for origin in origins]
    if ANY in allowed:
        return CORS({}, _ALLOWED % ANY)
    return CORS({origin: _ALLOWED % origin for origin in allowed}, NOT_ALLOWED)


def without_backends_own(start: bytes) -> bytes:
    """The start of an answer's head, without what the backend says of origins."""
    return _BACKENDS_OWN.sub(b"", start)
