"""From the bytes of a caller's connection to request heads and bodies.

It reads one message at a time and never past its end: what follows waits until it is asked for.
Does no I/O and knows no clock.
"""

from gateway.chunks import BadChunks, Chunks
from gateway.head import (
    REQUEST_LINE,
    Fields,
    MalformedRequest,
    RequestHead,
    asked_of,
    bad_request_line,
    check_unfinished,
    read_fields,
)


class RequestReader:
    """`waiting` are bytes received and not yet read. `is_complete` and `body_bytes` tell of the message in hand.

    A caller on a kept-alive connection repeats itself: field lines that equal those of the request
    before are not read again.
    """

    __slots__ = ("_block", "_chunks", "_fields", "_left", "body_bytes", "is_complete", "waiting")

    _fields: Fields

    def __init__(self) -> None:
        self.waiting = b""
        self.is_complete = True
        self.body_bytes = 0
        self._block = b""
        self._chunks: Chunks | None = None
        self._left = 0

    def receive(self, data: bytes) -> None:
        self.waiting = self.waiting + data if self.waiting else data

    def next_head(self, limit_bytes: int, limit_fields: int) -> RequestHead | None:
        """The head of the next message, or None until all of it is here. Raises MalformedRequest."""
        waiting = self.waiting
        found = REQUEST_LINE.match(waiting)
        if found is None:
            return self._without_request_line(limit_bytes, limit_fields)
        end = waiting.find(b"\r\n\r\n", found.end() - 2) + 4
        if end > limit_bytes or (end == 3 and len(waiting) > limit_bytes):
            raise MalformedRequest(431, "The request head is too large.")  # RFC 6585 5
        if end == 3:
            check_unfinished(waiting)
            return None
        method, target, minor_version = found.groups()
        # It begins with the minor version, on which the meaning of the lines depends.
        block = waiting[found.start(3) : end]
        if block != self._block:
            if block.count(b"\r\n") - 2 > limit_fields:
                raise MalformedRequest(431, "The request head has too many fields.")
            self._fields = read_fields(block[3:], is_http_1_0=minor_version == b"0")
            self._block = block
        fields = self._fields
        target, authority = asked_of(method, target, fields.host)
        self.waiting = waiting[end:]
        self.body_bytes = 0
        length = fields.content_length
        if length is None:
            self._chunks = Chunks()
            self.is_complete = False
        else:
            self._left = length
            self.is_complete = not length
        return RequestHead(method, target, authority, fields, end)

    def _without_request_line(self, limit_bytes: int, limit_fields: int) -> RequestHead | None:
        waiting = self.waiting
        # RFC 9112 2.2: empty lines before a request line are ignored.
        while waiting.startswith(b"\r\n"):
            waiting = waiting[2:]
        if waiting is not self.waiting:
            self.waiting = waiting
            return self.next_head(limit_bytes, limit_fields)
        if waiting in (b"", b"\r"):
            return None
        if b"\r\n" in waiting:
            raise bad_request_line(waiting)
        check_unfinished(waiting)
        return None

    def next_body(self) -> bytes:
        """What is here of the body, without its coding. Raises MalformedRequest."""
        body = self.waiting
        if self._chunks is not None:
            try:
                body, self.waiting = self._chunks.read(body)
            except BadChunks as error:
                raise MalformedRequest(400, f"The request body is malformed: {error}.") from error
            if self._chunks.is_complete:
                self._chunks = None
                self.is_complete = True
        elif len(body) > self._left:
            self.waiting = body[self._left :]
            body = body[: self._left]
            self.is_complete = True
        else:
            self.waiting = b""
            self._left -= len(body)
            self.is_complete = not self._left
        self.body_bytes += len(body)
        return body
