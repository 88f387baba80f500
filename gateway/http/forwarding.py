"""Heads as they leave the gateway: to the backend and to the caller.

Field lines are passed on as the bytes that arrived, in their order; only what belongs to one
connection is taken out (RFC 9110 7.6.1) and what the gateway vouches for put in.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from gateway.http.head import Fields
from gateway.http.target import without
from gateway.http.trailers import announcement

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    )
)
# Of these the backend gets the gateway's own, if any.
_NOT_TO_BACKEND = HOP_BY_HOP | {
    b"host",
    b"content-length",
    b"expect",
    b"x-request-id",
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
    b"apim-debug-authorization",
    b"ocp-apim-trace",
}
# Alt-Svc (RFC 7838) and Strict-Transport-Security (RFC 6797) speak of a host, and the caller's is the gateway.
_NOT_TO_CALLER = HOP_BY_HOP | {b"x-request-id", b"alt-svc", b"strict-transport-security"}
# What an accepted handshake and its answer say of the connection (RFC 6455 4.1).
UPGRADE_LINES = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
# The backend may send trailers, for they will be passed on (RFC 9110 10.1.4).
_TE_LINES = b"Connection: TE\r\nTE: trailers\r\n"
_WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# A Connection option must not take away what frames the message.
_NOT_BY_CONNECTION = frozenset((b"content-length", b"close", b"keep-alive", b""))
_NOTHING: frozenset[bytes] = frozenset()
_VERSION = b"HTTP/1."
_KEEP_ALIVE_TIMEOUT = re.compile(rb"(?i)(?:\A|,)[ \t]*+timeout[ \t]*+=[ \t]*+\"?([0-9]{1,9})(?![0-9])")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([\t -~\x80-\xff]*+))?\r\n")


class BadResponse(ValueError):
    """The backend's answer cannot be passed on."""


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """`start` is what the caller gets of it: status line and field lines.

    `length` is None where the body is chunked or ends with the connection, 0 where there is none.
    `idle_seconds` is how long the backend says it keeps the connection open. `trailer_line` announces
    trailers, for a caller that takes them.
    """

    status: int
    start: bytes
    length: int | None
    has_body: bool
    is_chunked: bool
    keep_alive: bool
    has_date: bool
    has_limit_fields: bool
    trailer_line: bytes
    idle_seconds: float | None


def check_unfinished_answer(received: bytes) -> None:
    """Refuse at once what cannot become an answer's head, instead of waiting for its end. Raises BadResponse."""
    if not received.startswith(_VERSION) and not _VERSION.startswith(received):
        raise BadResponse("it is not HTTP/1")
    if received.count(b"\n") != received.count(b"\r\n"):
        raise BadResponse("a line of the head does not end in CRLF")


def backend_head(
    method: bytes, target: bytes, host: bytes, length: int | None, request_id: bytes, lines: bytes
) -> bytes:
    """`lines` are those of `backend_lines`: the rest of the head."""
    if length is None:
        return b"%b %b HTTP/1.1\r\nHost: %b\r\nX-Request-Id: %b\r\n%b" % (method, target, host, request_id, lines)
    return b"%b %b HTTP/1.1\r\nHost: %b\r\nContent-Length: %d\r\nX-Request-Id: %b\r\n%b" % (
        method,
        target,
        host,
        length,
        request_id,
        lines,
    )


def backend_lines(fields: Fields, left_out: frozenset[bytes], added: bytes, *, trusted: bool) -> bytes:
    """What follows Host, Content-Length and X-Request-Id at the backend. `added` are lines, each with its CRLF.

    What only a proxy can know is passed on from a trusted one only: else callers could say where they are.
    An underscore counts as a hyphen too: to programs behind CGI and WSGI both are the same (RFC 3875 4.1.18).
    """
    left_out |= _named(fields.connection) | _NOT_TO_BACKEND
    kept = []
    for line, (name, _) in zip(fields.lines, fields.pairs, strict=True):
        alias = name.replace(b"_", b"-")
        if name not in left_out and alias not in left_out and (trusted or not _is_said_by_proxies(alias)):
            kept.append(line)
    framing = _TE_LINES if fields.takes_trailers and fields.websocket_key is None else b""
    if fields.is_chunked:
        framing += announcement([value for name, value in fields.pairs if name == b"trailer"], left_out)
        framing += b"Transfer-Encoding: chunked\r\n"
    return b"%b%b\r\n" % (b"\r\n".join([*kept, added]), framing)


def _is_said_by_proxies(name: bytes) -> bool:
    return name.startswith(b"x-forwarded-") or name in (b"forwarded", b"x-real-ip")


def without_keys(fields: Fields, parameters: re.Pattern[bytes]) -> Fields:
    """A Referer may be the URL of an earlier call: without the key that was in its query."""
    found = [index for index, (name, value) in enumerate(fields.pairs) if name == b"referer" and b"?" in value]
    if not found:
        return fields
    lines = list(fields.lines)
    for index in found:
        lines[index] = without(lines[index], parameters)
    return replace(fields, lines=lines)


def one_hop_fewer(fields: Fields) -> Fields:
    """The fields with Max-Forwards counted down (RFC 9110 7.6.2)."""
    assert fields.max_forwards is not None
    line = b"Max-Forwards: %d" % (fields.max_forwards - 1)
    names = [name for name, _ in fields.pairs]
    lines = [line if name == b"max-forwards" else original for name, original in zip(names, fields.lines, strict=True)]
    return replace(fields, lines=lines)


def forwarded_lines(
    fields: Fields, peer: str, scheme: bytes, authority: bytes, gateway: bytes, *, trusted: bool
) -> bytes:
    """Via (RFC 9110 7.6.3), and X-Forwarded.

    The peer is added to X-Forwarded-For; Proto and Host are believed of a trusted proxy only.
    """
    chain = [value for name, value in fields.pairs if name == b"x-forwarded-for" and value]
    chain.append(peer.encode())
    if trusted:
        named = (value for name, value in fields.pairs if name == b"x-forwarded-host" and value)
        authority = next(named, authority)
    return b"Via: 1.%d %b\r\nX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\n" % (
        not fields.is_http_1_0,
        gateway,
        b", ".join(chain),
        scheme,
        authority,
    )


def read_response_head(head: bytes, *, to_head: bool, websocket_key: bytes | None) -> ResponseHead:
    """Read a head that llhttp has let through. Raises BadResponse.

    `to_head` where HEAD was asked, `websocket_key` where it may answer a handshake with that key.
    """
    found = _STATUS_LINE.match(head)
    if found is None:
        raise BadResponse("the status line is malformed")
    status = int(found[2])
    connection: list[bytes] = []
    trailer: list[bytes] = []
    codings = length = upgrade = idle_seconds = None
    kept: list[tuple[bytes, bytes]] = []
    for line in head.split(b"\r\n")[1:-2]:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name == b"connection":
            connection += [option.strip(b" \t").lower() for option in value.split(b",")]
        elif name == b"transfer-encoding":
            codings = value if codings is None else codings + b"," + value
        elif name == b"upgrade":
            upgrade = value.strip(b" \t").lower()
        elif name == b"trailer":
            trailer.append(value)
        elif name == b"content-length":
            length = int(value)
            if status >= 200 and status != 204:  # RFC 9110 8.6
                kept.append((name, line))
        elif name == b"keep-alive":
            timeout = _KEEP_ALIVE_TIMEOUT.search(value)
            idle_seconds = float(timeout[1]) if timeout is not None else idle_seconds
        elif name not in _NOT_TO_CALLER:
            kept.append((name, line))
    if status == 101:
        _check_switch(websocket_key, upgrade, connection, kept)
    if codings is not None and codings.strip(b" \t").lower() != b"chunked":
        raise BadResponse("the transfer coding was not asked for")
    dropped = _named(connection)
    lines = [line for name, line in kept if name not in dropped]
    has_body = not (to_head or status < 200 or status in (204, 304))  # RFC 9112 6.3
    return ResponseHead(
        status,
        b"\r\n".join([b"HTTP/1.1 %b %b" % (found[2], found[3] or b""), *lines, b""]),
        (length if codings is None else None) if has_body else 0,
        has_body,
        codings is not None,
        b"close" not in connection if found[1] == b"1" else b"keep-alive" in connection,
        b"date" not in dropped and any(name == b"date" for name, _ in kept),
        any(name.startswith(b"ratelimit") for name, _ in kept),
        announcement(trailer) if trailer else b"",
        idle_seconds,
    )


def _check_switch(
    websocket_key: bytes | None, upgrade: bytes | None, connection: list[bytes], kept: list[tuple[bytes, bytes]]
) -> None:
    """RFC 6455 4.1: else the backend might take what follows for requests. Raises BadResponse."""
    if websocket_key is None or upgrade != b"websocket" or b"upgrade" not in connection:
        raise BadResponse("the protocol was not asked for")
    digest = hashlib.sha1(websocket_key + _WEBSOCKET_GUID, usedforsecurity=False).digest()
    accepted = [line.partition(b":")[2].strip(b" \t") for name, line in kept if name == b"sec-websocket-accept"]
    if accepted != [base64.b64encode(digest)]:
        raise BadResponse("the handshake was not accepted")


def _named(connection: Iterable[bytes]) -> frozenset[bytes]:
    return frozenset(connection) - _NOT_BY_CONNECTION if connection else _NOTHING
