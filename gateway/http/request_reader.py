"""From the bytes of a caller's connection to request heads and bodies.

It reads one message at a time and never past its end: what follows waits until it is asked for.
Does no I/O and knows no clock.
"""

import re
from typing import Final

from gateway.http.chunks import BadChunks, Chunks
from gateway.http.head import (
    REQUEST_LINE,
    MalformedRequest,
    RequestHead,
    asked_of,
    body_length,
    check_target_size,
    check_unfinished,
    check_without_request_line,
    cut_length,
    read_fields,
)

# Larger heads are read each time, so that idle connections cannot fill the memory.
REMEMBERED_HEAD_BYTES: Final = 4096
# RFC 9112 2.2 asks to ignore at least one before a request line, for the sake of old callers.
EMPTY_LINES_LIMIT: Final = 8
# One more than may be, so that what lies behind too many is not even looked at.
_EMPTY_LINES: Final = re.compile(rb"(?:\r\n){1,%d}" % (EMPTY_LINES_LIMIT + 1))


class RequestReader:
    """`waiting` are bytes received and not yet read. What else has no underscore tells of the message in hand.

    A caller on a kept-alive connection repeats itself: a head that equals the one before, or but
    for target and length, is not read again.
    """

    __slots__ = (
        "_block",
        "_chunks",
        "_empty_lines",
        "_head",
        "_left",
        "_request",
        "body_bytes",
        "is_complete",
        "trailers",
        "waiting",
    )

    _request: RequestHead

    def __init__(self) -> None:
        self.waiting = b""
        self.is_complete = True
        self.body_bytes = 0
        self.trailers: list[bytes] = []
        self._head = b""
        self._block = b""
        self._chunks: Chunks | None = None
        self._left = 0
        self._empty_lines = 0

    def receive(self, data: bytes) -> None:
        self.waiting = self.waiting + data if self.waiting else data

    def next_head(self, limit_bytes: int, limit_fields: int) -> RequestHead | None:
        """The head of the next message, or None until all of it is here. Raises MalformedRequest."""
        if self._head and self.waiting.startswith(self._head):
            request = self._request
        else:
            if self.waiting.startswith(b"\r\n"):
                self._skip_empty_lines()
            fresh = self._read_head(self.waiting, limit_bytes, limit_fields)
            if fresh is None:
                return None
            request = fresh
        self.waiting = self.waiting[request.size :]
        self.body_bytes = self._empty_lines = 0
        self._chunks = Chunks() if request.fields.is_chunked else None
        self._left = request.length or 0
        self.is_complete = not self._left and self._chunks is None
        return request

    def _skip_empty_lines(self) -> None:
        """They are counted over all reads, since they leave nothing behind that another limit would see."""
        found = _EMPTY_LINES.match(self.waiting)
        assert found is not None
        self._empty_lines += found.end() // 2
        if self._empty_lines > EMPTY_LINES_LIMIT:
            raise MalformedRequest(400, "There are too many empty lines before the request.")
        self.waiting = self.waiting[found.end() :]

    def _read_head(self, waiting: bytes, limit_bytes: int, limit_fields: int) -> RequestHead | None:
        found = REQUEST_LINE.match(waiting)
        if found is None:
            check_without_request_line(waiting)
            return None
        method, target, minor_version = found.groups()
        check_target_size(target)
        end = waiting.find(b"\r\n\r\n", found.end() - 2) + 4
        if end == 3 and len(waiting) <= limit_bytes:
            check_unfinished(waiting)
            return None
        if end == 3 or end > limit_bytes:
            raise MalformedRequest(431, "The request head is too large.")  # RFC 6585 5
        # The block begins with the minor version, on which the meaning of the lines depends.
        block, cut = cut_length(waiting[found.start(3) : end])
        if block == self._block:
            fields = self._request.fields
        elif block.count(b"\r\n") - 2 > limit_fields:
            raise MalformedRequest(431, "The request head has too many fields.")
        else:
            fields = read_fields(block[3:], is_http_1_0=minor_version == b"0")
        target, authority = asked_of(method, target, fields.host)
        request = RequestHead(method, target, authority, body_length(fields, cut), fields, end)
        self._head, self._block = (waiting[:end], block) if end <= REMEMBERED_HEAD_BYTES else (b"", b"")
        self._request = request
        return request

    def next_body(self) -> bytes:
        """What is here of the body, without its coding. Raises MalformedRequest."""
        body = self.waiting
        if self._chunks is not None:
            try:
                body, self.waiting = self._chunks.read(body)
            except BadChunks as error:
                raise MalformedRequest(400, f"The request body is malformed: {error}.") from error
            if self._chunks.is_complete:
                self.trailers = self._chunks.trailers
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
