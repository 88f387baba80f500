"""Heads as they leave the gateway: to the backend and to the caller.

Field lines are passed on as the bytes that arrived, in their order; only what belongs to one
connection is taken out (RFC 9110 7.6.1) and what the gateway vouches for put in.
"""

import re
from dataclasses import dataclass

from gateway.head import RequestHead

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
_NOT_TO_BACKEND = HOP_BY_HOP | {b"host", b"expect", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"}
_NOT_TO_CALLER = HOP_BY_HOP | {b"x-request-id"}
# A Connection option must not take away what frames the message or was decided upon.
_NOT_BY_CONNECTION = frozenset((b"content-length", b"host", b"close", b"keep-alive", b""))


_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) (([1-9][0-9][0-9])(?: [\t -~\x80-\xff]*+)?)\r\n")


class BadResponse(ValueError):
    """The backend's answer cannot be passed on."""


def backend_head(request: RequestHead, target: bytes, host: bytes, key_header: bytes, forwarded: bytes) -> bytes:
    """`forwarded` are the X-Forwarded lines, each with its CRLF."""
    dropped = _NOT_TO_BACKEND
    if request.connection:
        dropped = dropped.union(option for option in request.connection if option not in _NOT_BY_CONNECTION)
    kept = [
        line
        for line, (name, _) in zip(request.lines, request.fields, strict=True)
        if name not in dropped and name != key_header
    ]
    kept.append(forwarded)
    return b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%b\r\n" % (
        request.method,
        target,
        host,
        b"\r\n".join(kept),
        b"Transfer-Encoding: chunked\r\n" if request.content_length is None else b"",
    )


def forwarded_lines(
    fields: list[tuple[bytes, bytes]], peer: bytes, scheme: bytes, host: bytes, *, trusted: bool
) -> bytes:
    """The peer is added to X-Forwarded-For; Proto and Host are believed of a trusted proxy only."""
    chain = [value for name, value in fields if name == b"x-forwarded-for" and value]
    if trusted:
        host = next((value for name, value in fields if name == b"x-forwarded-host" and value), host)
    return b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\n" % (
        b", ".join([*chain, peer]),
        scheme,
        host,
    )


@dataclass(slots=True)
class ResponseHead:
    """`status_line` begins after the version. `lines` are the field lines that go on to the caller.

    `length` is None where the body is chunked or ends with the connection.
    """

    status: int
    status_line: bytes
    lines: list[bytes]
    length: int | None
    has_body: bool
    is_chunked: bool
    keep_alive: bool


def read_response_head(head: bytes, method: bytes) -> ResponseHead:
    """Read a head that llhttp has let through. Raises BadResponse."""
    found = _STATUS_LINE.match(head)
    if found is None:
        raise BadResponse("the status line is malformed")
    status = int(found[3])
    connection: list[bytes] = []
    codings = length = None
    kept: list[bytes] = []
    for line in head.split(b"\r\n")[1:-2]:
        colon = line.index(b":")
        name = line[:colon].lower()
        if name in _NOT_TO_CALLER:
            value = line[colon + 1 :].strip(b" \t").lower()
            if name == b"connection":
                connection += [option.strip(b" \t") for option in value.split(b",")]
            elif name == b"transfer-encoding":
                codings = value if codings is None else codings + b"," + value
        elif name == b"content-length":
            length = int(line[colon + 1 :])
            if status >= 200 and status != 204:  # RFC 9110 8.6
                kept.append(line)
        else:
            kept.append(line)
    if codings not in (None, b"chunked") or status == 101:
        raise BadResponse("the transfer coding or protocol was not asked for")
    named = [option for option in connection if option not in _NOT_BY_CONNECTION]
    if named:
        kept = [line for line in kept if line[: line.index(b":")].lower() not in named]
    return ResponseHead(
        status,
        found[2],
        kept,
        length if codings is None else None,
        not (method == b"HEAD" or status < 200 or status in (204, 304)),  # RFC 9112 6.3
        codings is not None,
        b"close" not in connection if found[1] == b"1" else b"keep-alive" in connection,
    )


def caller_head(response: ResponseHead, request_id: bytes, framing: bytes) -> bytes:
    """`framing` are the lines that the gateway adds, each with its CRLF."""
    response.lines.append(b"X-Request-Id: " + request_id)
    return b"HTTP/1.1 %b\r\n%b\r\n%b\r\n" % (response.status_line, b"\r\n".join(response.lines), framing)


def interim_head(response: ResponseHead) -> bytes:
    """A 1xx answer, which has no end but its head (RFC 9110 15.2)."""
    return b"\r\n".join([b"HTTP/1.1 " + response.status_line, *response.lines, b"", b""])
