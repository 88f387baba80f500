"""Requests: nearly good ones, mutated ones, and what two readers make of them."""

import re
from dataclasses import dataclass, field

import h11
from hypothesis import strategies as st

from gateway.http.head import MalformedRequest, RequestHead
from gateway.http.request_reader import RequestReader
from tests.fuzz.pieces import mutated

HEAD_LIMIT_BYTES = 2**15
FIELDS_LIMIT = 100
EMPTY_LINES = re.compile(rb"\A(?:\r\n)+")

FRAGMENTS = [
    *(
        b"\r\n",
        b"\r",
        b"\n",
        b"\r\n\r\n",
        b"\n\n",
        b"\r\r\n",
        b"\r\n ",
        b"\r\n\t",
        b" ",
        b"\t",
        b":",
        b": ",
        b" :",
        b",",
    ),
    *(
        b"\0",
        b"\x0b",
        b"\x0c",
        b"\x7f",
        b"\x80",
        b"\xff",
        b"\xc2\xa0",
        b";",
        b"=",
        b'"',
        b"_",
        b".",
        b"%",
        b"%00",
        b"#",
    ),
    *(
        b"+",
        b"-",
        b"0x",
        b"0",
        b"1",
        b"9" * 20,
        b"f",
        b"G",
        b"*",
        b"/",
        b"//",
        b"@",
        b"[",
        b"]",
        b"?",
        b"http://",
        b"a",
    ),
    *(b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"http/1.1", b"HTTP/1.1 ", b"GET ", b"POST / HTTP/1.1\r\n"),
    *(
        b"Host: b\r\n",
        b"Content-Length: 1\r\n",
        b"content-length:0\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Content_Length: 5",
    ),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n", b"transfer-encoding:\tchunked \r\n"),
    *(b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding: xchunked\r\n", b"Connection: close, TE\r\n"),
    *(
        b"Upgrade: websocket\r\nConnection: upgrade\r\n",
        b"Expect: 100-continue\r\n",
        b"0\r\n\r\n",
        b"1\r\na\r\n",
        b"2;x=y\r\n",
    ),
]

NAMES = st.sampled_from(
    [
        b"X",
        b"Cookie",
        b"cookie",
        b"X_Y",
        b"X.Y",
        b"Accept",
        b"Connection",
        b"TE",
        b"Via",
        b"Max-Forwards",
        b"!#$%&'*+-.^_`|~0",
    ]
)
VALUES = st.one_of(
    st.sampled_from([b"", b"a", b"a=b; c=d", b"\x80\xff", b"keep-alive", b"close", b"a  b\tc", b":", b"1", b"chunked"]),
    st.binary(max_size=6).map(lambda value: value.translate(None, bytes([*range(0x20), 0x7F])).strip(b" \t")),
)
SPACES = st.sampled_from([b" ", b"", b"\t", b"  ", b" \t"])
LINES = st.builds(
    lambda name, before, value, after: name + b":" + before + value + after, NAMES, SPACES, VALUES, SPACES
)
METHODS = st.sampled_from([b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"PURGE", b"get", b"M-SEARCH", b"CONNECT"])
TARGETS = st.sampled_from(
    [b"/", b"/a?b=c", b"*", b"http://b/c", b"HTTP://[::1]:8/", b"http://b?c", b"a:1", b"/%00", b"/[]|\\^"]
)
CHUNKED = st.lists(st.tuples(st.binary(min_size=1, max_size=20), st.sampled_from([b"", b";", b";a=b", b';a="b c"'])))
TRAILERS = st.lists(st.sampled_from([b"T: x", b"A:", b"B:\t\xff ", b"Content-Length: 3"]), max_size=2)


def _chunked(chunks: list[tuple[bytes, bytes]], trailers: list[bytes]) -> bytes:
    coded = b"".join(b"%x%b\r\n%b\r\n" % (len(data), extension, data) for data, extension in chunks)
    return coded + b"0\r\n" + b"".join(line + b"\r\n" for line in trailers) + b"\r\n"


BODIES = st.one_of(
    st.just(([], b"")),
    st.binary(max_size=30).map(lambda body: ([b"Content-Length: %d" % len(body)], body)),
    st.builds(lambda *coded: ([b"Transfer-Encoding: chunked"], _chunked(*coded)), CHUNKED, TRAILERS),
)


@st.composite
def good_requests(draw: st.DrawFn) -> bytes:
    framing, body = draw(BODIES)
    lines = draw(st.permutations([b"Host: a", *framing, *draw(st.lists(LINES, max_size=4))]))
    version = draw(st.sampled_from([b"1.1", b"1.1", b"1.1", b"1.0"]))
    request_line = b"%b %b HTTP/%b" % (draw(METHODS), draw(TARGETS), version)
    return b"\r\n".join([request_line, *lines, b"", body])


CONVERSATIONS = st.lists(mutated(good_requests(), FRAGMENTS), min_size=1, max_size=3).map(b"".join)
SOUP = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.binary(max_size=3))).map(b"".join)
WIRES = st.one_of(CONVERSATIONS, SOUP, st.binary(max_size=200))


@dataclass
class Message:
    """A request as far as it has been read. `fields` are all but Content-Length, `target` is in origin-form."""

    method: bytes
    target: bytes
    authority: bytes
    fields: list[tuple[bytes, bytes]]
    length: int | None
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    is_whole: bool = False


@dataclass
class Reading:
    """`status` is that of the refusal, 0 where all that came is good so far."""

    messages: list[Message]
    status: int = 0

    @property
    def whole(self) -> list[Message]:
        return [message for message in self.messages if message.is_whole]


def read(parts: list[bytes]) -> Reading:
    """Drive the gateway's reader as a caller's connection does."""
    reader, reading = RequestReader(), Reading([])
    is_open = False
    try:
        for part in parts:
            reader.receive(part)
            while is_open or reader.waiting:
                if not is_open:
                    head = reader.next_head(HEAD_LIMIT_BYTES, FIELDS_LIMIT)
                    if head is None:
                        assert len(reader.waiting) <= HEAD_LIMIT_BYTES
                        break
                    reading.messages.append(_of_ours(head))
                message = reading.messages[-1]
                if not reader.is_complete and reader.waiting:
                    message.body += reader.next_body()
                is_open = not reader.is_complete
                if is_open:
                    break
                message.is_whole = True
                message.trailers = [_pair(line) for line in reader.trailers] if head.fields.is_chunked else []
    except MalformedRequest as refusal:
        reading.status = refusal.status
    return reading


def _of_ours(head: RequestHead) -> Message:
    fields = [(name, value) for name, value in head.fields.pairs if name != b"content-length"]
    return Message(head.method, head.target, head.authority, fields, head.length)


def _of_h11(request: h11.Request) -> Message:
    fields, target = list(request.headers), request.target
    lengths = {int(value) for name, value in fields if name == b"content-length"}
    authority = next((value for name, value in fields if name == b"host"), b"")
    if not target.startswith(b"/") and target != b"*":
        authority, target = _of_absolute(target)
    fields = [(name, value) for name, value in fields if name != b"content-length"]
    return Message(request.method, target, authority, fields, lengths.pop() if lengths else None)


def _of_absolute(target: bytes) -> tuple[bytes, bytes]:
    rest = target.partition(b"://")[2]
    end = min(place for place in (rest.find(b"/"), rest.find(b"?"), len(rest)) if place >= 0)
    return rest[:end], rest[end:] if rest[end:].startswith(b"/") else b"/" + rest[end:]


def _pair(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.lower(), value.strip(b" \t")


def read_by_h11(wire: bytes) -> Reading:
    """The same by h11, a new one for each message. It knows no empty lines before a request."""
    reading = Reading([])
    while wire := EMPTY_LINES.sub(b"", wire):
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT_BYTES)
        connection.receive_data(wire)
        wire = b""
        try:
            while (event := connection.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Request):
                    reading.messages.append(_of_h11(event))
                elif isinstance(event, h11.Data):
                    reading.messages[-1].body += bytes(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    reading.messages[-1].trailers = list(event.headers)
                    reading.messages[-1].is_whole = True
                    wire = connection.trailing_data[0]
                    break
                else:
                    break
        except h11.RemoteProtocolError as refusal:
            reading.status = refusal.error_status_hint
    return reading
