"""What of a request must not be recorded: the values of secrets in URLs and header fields.

Secrets are told by their names. A field that is not well known may hold one under any name - a key
sent in the wrong header, say - so what looks like one there is masked too. Callers choose all of
it: each pattern takes time that grows with the length alone.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, TypeAlias

MASK: Final = b"***"
MOST_FIELDS: Final = 50
MOST_BYTES: Final = 4096
MOST_VALUE_BYTES: Final = 1024

Pairs: TypeAlias = tuple[tuple[bytes, bytes], ...]

_SECRET_WORDS = (
    rb"token|secret|passw|passphrase|pwd|signature|credential|session|cookie|api_?-?key|oauth|authoriz|authentic|jwt"
    rb"|assertion|csrf|xsrf|client-?cert"
)
# The lookahead makes sure that there is an end to find, so that nothing is tried twice.
_SECRET_PARAMETER = re.compile(
    rb"[?&;#](?=[^=&;#?]*+=)(?:(?:code|sig|sid|auth|pass|pin|otp)=|[^=&;#?]*?(?:%b|key(?==))[^=&;#?]*+=)([^&;#]++)"
    % _SECRET_WORDS
)
_SECRET_FIELD = re.compile(rb"%b|key\Z|\Aauth|auth\Z" % _SECRET_WORDS)
_HARMLESS_FIELDS = frozenset(
    (
        b"accept", b"accept-charset", b"accept-encoding", b"accept-language", b"access-control-request-headers",
        b"access-control-request-method", b"baggage", b"cache-control", b"cdn-loop", b"connection",
        b"content-disposition", b"content-encoding", b"content-language", b"content-length", b"content-range",
        b"content-type", b"date", b"dnt", b"expect", b"forwarded", b"from", b"host", b"if-match", b"if-modified-since",
        b"if-none-match", b"if-range", b"if-unmodified-since", b"keep-alive", b"max-forwards", b"origin", b"pragma",
        b"prefer", b"priority", b"range", b"referer", b"request-id", b"sec-ch-ua", b"sec-ch-ua-mobile",
        b"sec-ch-ua-platform", b"sec-fetch-dest", b"sec-fetch-mode", b"sec-fetch-site", b"sec-fetch-user",
        b"sec-websocket-extensions", b"sec-websocket-protocol", b"sec-websocket-version", b"te", b"traceparent",
        b"tracestate", b"trailer", b"transfer-encoding", b"upgrade", b"upgrade-insecure-requests", b"user-agent",
        b"via", b"x-correlation-id", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-port",
        b"x-forwarded-proto", b"x-ms-client-request-id", b"x-real-ip", b"x-request-id", b"x-requested-with",
    )
)  # fmt: skip
_LONG_WORD = re.compile(rb"[A-Za-z0-9+_=.~\-]{16,}+")
_DIGIT = re.compile(rb"[0-9]")
_SCHEME = re.compile(rb"(?i:basic|bearer|digest|negotiate|ntlm|apikey|sharedaccess\w*+|aws4-\S++)\s")


def masked_url(url: bytes) -> bytes:
    """With MASK in place of the values of parameters whose names tell secrets; else the same object."""
    pieces: list[bytes] = []
    end = 0
    # A pattern that ignores case takes five times as long.
    for found in _SECRET_PARAMETER.finditer(url.lower()):
        pieces += (url[end : found.start(1)], MASK)
        end = found.end(1)
    return b"".join((*pieces, url[end:])) if pieces else url


def recorded_fields(fields: Iterable[tuple[bytes, bytes]], key_fields: frozenset[bytes]) -> Pairs:
    """Of names in lower case and values, those that there is room for; `key_fields` hold subscription keys."""
    kept: list[tuple[bytes, bytes]] = []
    left = MOST_BYTES
    for name, value in fields:
        recorded = MASK if name in key_fields else _masked_value(name, value[:MOST_VALUE_BYTES])
        left -= len(name) + len(recorded)
        if left < 0 or len(kept) == MOST_FIELDS:
            break
        kept.append((name, recorded))
    return tuple(kept)


def _masked_value(name: bytes, value: bytes) -> bytes:
    if name in _HARMLESS_FIELDS:
        return masked_url(value) if b"=" in value else value
    if _names_secret(name) or _SCHEME.match(value):
        return MASK
    return MASK if any(map(_DIGIT.search, _LONG_WORD.findall(value))) else masked_url(value)


@lru_cache(maxsize=1024)
def _names_secret(name: bytes) -> bool:
    return _SECRET_FIELD.search(name) is not None
