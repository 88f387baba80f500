"""Reading a request head, strictly.

llhttp checks field lines and framing: bare CR or LF, folded lines, a space before the colon, control
characters, repeated or conflicting lengths (RFC 9112 2.2, 5, 6). It knows only some methods and is
lenient about the request line and codings, so this module reads those itself and gives llhttp a
request line of its own in their place. What is refused here is answered and the connection closed,
because nobody can say where such a message ends (RFC 9112 11.2).
"""

import re
from dataclasses import dataclass
from typing import Final

import httptools

# RFC 9110 4.1 asks for 8,000 bytes at least.
TARGET_LIMIT_BYTES: Final = 16 * 2**10

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb"{1,64}+) ([!-~]++) HTTP/1\.([0-9])\r\n")
_OTHER_VERSION = re.compile(_TOKEN + rb"{1,64}+ [!-~]++ HTTP/[0-9]\.[0-9]\r\n")
_METHOD = re.compile(_TOKEN + rb"{1,64}+(?: |\Z)")
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?]*+)(.*)")
# RFC 3986 3.2.2 and 3.2.3, without user information (RFC 9110 4.2.4).
_AUTHORITY = re.compile(rb"(?:\[[0-9A-Fa-f:.]++\]|[A-Za-z0-9\-._~%!$&'()*+,;=]++)(?::[0-9]{0,5})?")
# RFC 6455 4.1: sixteen bytes in base64.
_WEBSOCKET_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
_NOTED = frozenset(
    (
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"connection",
        b"expect",
        b"via",
        b"max-forwards",
        b"upgrade",
        b"sec-websocket-key",
        b"origin",
        b"te",
        b"apim-debug-authorization",
    )
)


class MalformedRequest(ValueError):
    """The request is refused: `status` and `message` are the answer, after which the connection closes."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(slots=True)
class Fields:
    """The field lines of a request, as they arrived (`lines`) and with lower-case names (`pairs`).

    `length` is what a Content-Length among them says. `connection` are the options of Connection,
    in lower case. `passed` are the names of the intermediaries in Via. `websocket_key` is the
    Sec-WebSocket-Key of fields that, in a GET without a body, ask for a WebSocket. `origin` is empty
    where several are given. `debug_token` is what Apim-Debug-Authorization says.
    """

    is_http_1_0: bool
    host: bytes
    lines: list[bytes]
    pairs: list[tuple[bytes, bytes]]
    length: int | None
    is_chunked: bool
    connection: tuple[bytes, ...]
    keep_alive: bool
    expects_continue: bool
    passed: tuple[bytes, ...]
    max_forwards: int | None
    websocket_key: bytes | None
    origin: bytes | None
    takes_trailers: bool
    debug_token: bytes | None


@dataclass(slots=True)
class RequestHead:
    """`target` is as received, or of an absolute one the path and query.

    `length` is None where none is given: then there is no body, unless it is chunked.
    """

    method: bytes
    target: bytes
    authority: bytes
    length: int | None
    fields: Fields
    size: int


def check_unfinished(received: bytes) -> None:
    """Refuse at once what cannot become a head, instead of waiting for a CRLF that will not come."""
    if not _METHOD.match(received):
        raise MalformedRequest(400, "The request method is malformed.")
    lines = received.count(b"\r\n")
    if received.count(b"\n") != lines or received.count(b"\r") != lines + received.endswith(b"\r"):
        raise MalformedRequest(400, "A line of the request head does not end in CRLF.")  # RFC 9112 2.2
    if not lines:
        target, _, version = received.partition(b" ")[2].partition(b" ")
        check_target_size(target)
        if len(version) > len(b"HTTP/1.1\r"):
            raise MalformedRequest(400, "The request line is malformed.")


def check_target_size(target: bytes) -> None:
    if len(target) > TARGET_LIMIT_BYTES:
        raise MalformedRequest(414, "The request target is too long.")


def check_without_request_line(received: bytes) -> None:
    """Refuse what does not begin with REQUEST_LINE, unless more of it is to come."""
    if _OTHER_VERSION.match(received):
        raise MalformedRequest(505, "Only HTTP/1.1 and HTTP/1.0 are supported.")
    if b"\r\n" in received:
        raise MalformedRequest(400, "The request line is malformed.")
    if received not in (b"", b"\r"):
        check_unfinished(received)


def asked_of(method: bytes, target: bytes, host: bytes) -> tuple[bytes, bytes]:
    """The target as path and query, and the authority that it is asked of (RFC 9112 3.2).

    Which paths are good is decided with the route, by `gateway.http.target`.
    """
    if method == b"CONNECT" or method == b"TRACE":
        # RFC 9110 15.6.2: served for no resource at all. A 405 would have to list the methods of one.
        raise MalformedRequest(501, "CONNECT and TRACE are not served here.")
    if target.startswith(b"/") or (target == b"*" and method == b"OPTIONS"):
        return target, host
    # RFC 9112 3.2.2: the authority of an absolute target replaces what Host says.
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or not _AUTHORITY.fullmatch(absolute[1]):
        raise MalformedRequest(400, "The request target is malformed.")
    authority, rest = absolute.groups()
    return rest if rest.startswith(b"/") else b"/" + rest, authority


def cut_length(block: bytes) -> tuple[bytes, int | None]:
    """Take a plain Content-Length line out of a block of lines, none of which is its first.

    It is what changes most between the heads of one caller. All that is not plain stays, for
    `read_fields` to judge.
    """
    start = block.find(b"\r\nContent-Length: ")
    if start < 0:
        return block, None
    end = block.find(b"\r\n", start + 2)
    digits = block[start + 18 : end]
    if not digits.isdigit() or len(digits) > 18:
        return block, None
    return block[:start] + block[end:], int(digits)


def body_length(fields: Fields, cut: int | None) -> int | None:
    """The one length of a body, where `cut` was taken out of the fields before (RFC 9112 6.3)."""
    if cut is None:
        return fields.length
    if fields.length is not None:
        raise MalformedRequest(400, "There is more than one Content-Length field.")
    if fields.is_chunked:
        raise MalformedRequest(400, "Content-Length and Transfer-Encoding exclude each other.")
    return cut


def read_fields(block: bytes, *, is_http_1_0: bool) -> Fields:
    """Read the lines between request line and body. Raises MalformedRequest."""
    pairs = _Lines(block).pairs
    host = codings = length = expect = max_forwards = origin = debug_token = None
    connection: tuple[bytes, ...] = ()
    passed: tuple[bytes, ...] = ()
    upgrade: tuple[bytes, ...] = ()
    te: tuple[bytes, ...] = ()
    websocket_keys: list[bytes] = []
    for name, value in pairs:
        if name not in _NOTED:
            continue
        if name == b"host":
            if host is not None:
                raise MalformedRequest(400, "There is more than one Host field.")  # RFC 9112 3.2
            host = value
        elif name == b"content-length":
            length = int(value)
        elif name == b"transfer-encoding":
            codings = value if codings is None else codings + b"," + value
        elif name == b"connection":
            connection += _listed(value)
        elif name == b"via":
            passed += tuple(words[1] for entry in value.split(b",") if len(words := entry.split()) > 1)
        elif name == b"max-forwards":
            max_forwards = int(value) if value.isdigit() and len(value) < 10 else None
        elif name == b"upgrade":
            upgrade += _listed(value)
        elif name == b"sec-websocket-key":
            websocket_keys.append(value)
        elif name == b"te":
            te += _listed(value)
        elif name == b"origin":
            origin = value if origin is None else b""
        elif name == b"apim-debug-authorization":
            debug_token = value
        else:
            expect = value
    if host is None and not is_http_1_0:
        raise MalformedRequest(400, "The Host field is missing.")  # RFC 9112 3.2
    if host and not _AUTHORITY.fullmatch(host):
        raise MalformedRequest(400, "The Host field is malformed.")
    if codings is not None:
        _check_coding(codings, is_http_1_0)
    return Fields(
        is_http_1_0,
        host or b"",
        block.split(b"\r\n")[:-2],
        pairs,
        length,
        codings is not None,
        connection,
        b"keep-alive" in connection if is_http_1_0 else b"close" not in connection,
        expect is not None and _expects_continue(expect, is_http_1_0),
        passed,
        max_forwards,
        _websocket_key(upgrade, connection, websocket_keys) if upgrade and not is_http_1_0 and not codings else None,
        origin,
        # RFC 9110 10.1.4: TE is for the next hop only, and says so.
        b"trailers" in te and b"te" in connection and not is_http_1_0,
        debug_token,
    )


def _websocket_key(upgrade: tuple[bytes, ...], connection: tuple[bytes, ...], keys: list[bytes]) -> bytes | None:
    """RFC 6455 4.2.1. What asks for another protocol, or not properly for this one, goes on as if it
    had not asked (RFC 9110 7.8).
    """
    if b"websocket" not in upgrade or b"upgrade" not in connection or len(keys) != 1:
        return None
    return keys[0] if _WEBSOCKET_KEY.fullmatch(keys[0]) else None


def is_websocket_handshake(request: RequestHead) -> bool:
    """Whether it asks for a WebSocket, and could have one (RFC 6455 4.1)."""
    return request.fields.websocket_key is not None and request.method == b"GET" and not request.length


def _listed(value: bytes) -> tuple[bytes, ...]:
    return tuple(option.strip(b" \t").lower() for option in value.split(b","))


class _Lines:
    """Field lines, checked and taken apart by llhttp. Raises MalformedRequest."""

    def __init__(self, block: bytes) -> None:
        self.pairs: list[tuple[bytes, bytes]] = []
        try:
            httptools.HttpRequestParser(self).feed_data(b"POST / HTTP/1.1\r\n" + block)
        except httptools.HttpParserUpgrade:
            # llhttp says so at the end of the block, after all of its checks.
            pass
        except httptools.HttpParserError as error:
            raise MalformedRequest(400, f"The request head is malformed: {error}.") from error

    def on_header(self, name: bytes, value: bytes) -> None:
        self.pairs.append((name.lower(), value.rstrip(b" \t")))


def _check_coding(codings: bytes, is_http_1_0: bool) -> None:
    """RFC 9112 6.1 and 6.3. llhttp has refused a length beside a coding."""
    if is_http_1_0:
        raise MalformedRequest(400, "HTTP/1.0 knows no Transfer-Encoding.")
    if codings.lower() != b"chunked":
        raise MalformedRequest(400, "The only transfer coding understood is chunked.")


def _expects_continue(expect: bytes, is_http_1_0: bool) -> bool:
    """RFC 9110 10.1.1. An HTTP/1.0 caller cannot expect anything."""
    if not is_http_1_0 and expect.lower() != b"100-continue":
        raise MalformedRequest(417, "The only expectation understood is 100-continue.")
    return not is_http_1_0
