"""Trailer fields: those behind a chunked body (RFC 9110 6.5).

They pass in both directions, to a caller only if it says that it takes them (`TE: trailers`; RFC
9110 6.5.1). What a reader must know before the body, or believes of a head, must not come so late:
programs that merge trailers into the head would let it past every check that was made there.
"""

from collections.abc import Container, Iterable
from typing import Final

from gateway.http.chunks import LAST_CHUNK

# RFC 9110 6.5.1: framing, routing, modifiers of requests and answers, authentication; ours: what the gateway says.
_NEVER: Final = frozenset(
    (
        b"age",
        b"apim-debug-authorization",
        b"alt-svc",
        b"authorization",
        b"authentication-info",
        b"cache-control",
        b"clear-site-data",
        b"connection",
        b"cookie",
        b"date",
        b"expect",
        b"expires",
        b"forwarded",
        b"host",
        b"keep-alive",
        b"location",
        b"max-forwards",
        b"ocp-apim-trace",
        b"origin",
        b"pragma",
        b"range",
        b"refresh",
        b"retry-after",
        b"set-cookie",
        b"strict-transport-security",
        b"te",
        b"traceparent",
        b"tracestate",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"vary",
        b"via",
        b"warning",
        b"www-authenticate",
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
        b"x-original-url",
        b"x-real-ip",
        b"x-request-id",
        b"x-rewrite-url",
    )
)
_NEVER_BEGINNING: Final = (
    b"access-control-",
    b"content-",
    b"if-",
    b"proxy-",
    b"ratelimit",
    b"sec-",
    b"x-forwarded-",
)
# RFC 9530 6.4 has it in trailers.
_CONTENT_DIGEST: Final = b"content-digest"


def last_chunk(lines: Iterable[bytes], left_out: Container[bytes] = ()) -> bytes:
    """The end of a chunked body, with the trailers among the lines that may pass."""
    kept = [line for line in lines if _may_pass(line.partition(b":")[0].lower(), left_out)]
    return b"0\r\n%b\r\n\r\n" % b"\r\n".join(kept) if kept else LAST_CHUNK


def announcement(values: Iterable[bytes], left_out: Container[bytes] = ()) -> bytes:
    """A Trailer line (RFC 9110 6.6.2) for those announced that may pass; empty for none."""
    names = [name.strip(b" \t") for value in values for name in value.split(b",")]
    kept = [name for name in names if name and _may_pass(name.lower(), left_out)]
    return b"Trailer: %b\r\n" % b", ".join(kept) if kept else b""


def _may_pass(name: bytes, left_out: Container[bytes]) -> bool:
    """As in a head, an underscore counts as a hyphen too (see `forwarding.backend_lines`)."""
    alias = name.replace(b"_", b"-")
    if alias in _NEVER or name in left_out or alias in left_out:
        return False
    return alias == _CONTENT_DIGEST or not alias.startswith(_NEVER_BEGINNING)
