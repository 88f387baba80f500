"""Reading a request head, strictly.

llhttp checks field lines and framing: bare CR or LF, folded lines, a space before the colon, control
characters, repeated or conflicting lengths (RFC 9112 2.2, 5, 6). It knows only some methods and is
lenient about the request line and codings, so this module reads those itself and gives llhttp a
request line of its own in their place. What is refused here is answered and the connection closed,
because nobody can say where such a message ends (RFC 9112 11.2).
"""

import re
from dataclasses import dataclass

# RFC 9110 4.1 asks for 8,000 bytes at least.
TARGET_LIMIT_BYTES = 16 * 2**10

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb"{1,64}+) ([!-~]++) HTTP/([0-9])\.([0-9])\r\n")
_METHOD = re.compile(_TOKEN + rb"{1,64}+(?: |\Z)")
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?]*+)(.*)")
# RFC 3986 3.2.2 and 3.2.3, without user information (RFC 9110 4.2.4).
_AUTHORITY = re.compile(rb"(?:\[[0-9A-Fa-f:.]++\]|[A-Za-z0-9\-._~%!$&'()*+,;=]++)(?::[0-9]{0,5})?")
_NOTED = frozenset((b"host", b"content-length", b"transfer-encoding", b"connection", b"expect"))


class MalformedRequest(ValueError):
    """The request is refused: `status` and `message` are the answer, after which the connection closes."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(slots=True)
class RequestHead:
    """`target` is as received, or of an absolute one the path and query.

    `lines` are the field lines as they arrived; `fields` the same with lower-case names.
    `content_length` is 0 where there is no body and None where the body is chunked.
    `connection` are the options of Connection, in lower case.
    """

    method: bytes
    target: bytes
    minor_version: int
    authority: bytes
    lines: list[bytes]
    fields: list[tuple[bytes, bytes]]
    content_length: int | None
    connection: tuple[bytes, ...]
    keep_alive: bool
    expects_continue: bool
    size: int


def check_unfinished(received: bytes) -> None:
    """Refuse at once what cannot become a head, instead of waiting for a CRLF that will not come."""
    if not _METHOD.match(received):
        raise MalformedRequest(400, "The request method is malformed.")
    lines = received.count(b"\r\n")
    if received.count(b"\n") != lines or received.count(b"\r") != lines + received.endswith(b"\r"):
        raise MalformedRequest(400, "A line of the request head does not end in CRLF.")  # RFC 9112 2.2
    if not lines and len(received) > TARGET_LIMIT_BYTES:
        raise MalformedRequest(414, "The request target is too long.")


def read_request_line(head: bytes) -> tuple[bytes, bytes, int, int]:
    """Method, target, minor version and the place where the field lines begin (RFC 9112 3)."""
    found = _REQUEST_LINE.match(head)
    if found is None:
        raise MalformedRequest(400, "The request line is malformed.")
    method, target, major, minor = found.groups()
    if major != b"1":
        raise MalformedRequest(505, "Only HTTP/1.1 and HTTP/1.0 are supported.")
    if len(target) > TARGET_LIMIT_BYTES:
        raise MalformedRequest(414, "The request target is too long.")
    return method, target, 0 if minor == b"0" else 1, found.end()


def read_head(head: bytes, method: bytes, target: bytes, minor: int, fields: list[tuple[bytes, bytes]]) -> RequestHead:
    """Put together what llhttp has let through. Raises MalformedRequest for what we do not."""
    host = codings = length = expect = None
    connection: tuple[bytes, ...] = ()
    for name, value in fields:
        if name not in _NOTED:
            continue
        if name == b"host":
            if host is not None:
                raise MalformedRequest(400, "There is more than one Host field.")  # RFC 9112 3.2
            host = value.rstrip(b" \t")
        elif name == b"content-length":
            length = value
        elif name == b"transfer-encoding":
            codings = value if codings is None else codings + b"," + value
        elif name == b"connection":
            connection += tuple(option.strip(b" \t").lower() for option in value.split(b","))
        else:
            expect = value
    if host is None and minor:
        raise MalformedRequest(400, "The Host field is missing.")  # RFC 9112 3.2
    target, authority = _asked_of(method, target, host or b"")
    return RequestHead(
        method,
        target,
        minor,
        authority,
        head.split(b"\r\n")[1:-2],
        fields,
        _body_length(codings, length, minor),
        connection,
        b"close" not in connection if minor else b"keep-alive" in connection,
        expect is not None and _expects_continue(expect, minor),
        len(head),
    )


def _asked_of(method: bytes, target: bytes, host: bytes) -> tuple[bytes, bytes]:
    """The target as path and query, and the authority that it is asked of (RFC 9112 3.2).

    Which paths are good is decided with the route, by `gateway.target`.
    """
    if method in (b"CONNECT", b"TRACE"):
        raise MalformedRequest(405, "CONNECT and TRACE are not served here.")
    if host and not _AUTHORITY.fullmatch(host):
        raise MalformedRequest(400, "The Host field is malformed.")
    if target.startswith(b"/"):
        return target, host
    if target == b"*" and method == b"OPTIONS":
        return target, host
    # RFC 9112 3.2.2: the authority of an absolute target replaces what Host says.
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or not _AUTHORITY.fullmatch(absolute[1]):
        raise MalformedRequest(400, "The request target is malformed.")
    host, rest = absolute.groups()
    return rest if rest.startswith(b"/") else b"/" + rest, host


def _body_length(codings: bytes | None, length: bytes | None, minor: int) -> int | None:
    """RFC 9112 6.3. llhttp has refused repeated lengths, and lengths beside codings."""
    if codings is None:
        return int(length) if length is not None else 0
    if length is not None or not minor:
        raise MalformedRequest(400, "Transfer-Encoding cannot be used here.")  # RFC 9112 6.1
    if codings.strip(b" \t").lower() != b"chunked":
        raise MalformedRequest(400, "The only transfer coding understood is chunked.")
    return None


def _expects_continue(expect: bytes, minor: int) -> bool:
    """RFC 9110 10.1.1. An HTTP/1.0 caller cannot expect anything."""
    if minor and expect.strip(b" \t").lower() != b"100-continue":
        raise MalformedRequest(417, "The only expectation understood is 100-continue.")
    return bool(minor)
