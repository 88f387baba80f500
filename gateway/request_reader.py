"""From the bytes of a caller's connection to request heads and bodies, by llhttp.

It reads one message at a time and never past its end: what follows waits until it is asked for.
Does no I/O and knows no clock.
"""

import re
from typing import Final

import httptools

from gateway.head import MalformedRequest, RequestHead, check_unfinished, read_head, read_request_line

_REQUEST_LINE_FOR_LLHTTP: Final = b"POST / HTTP/1.1\r\n"
# Chunk extensions and trailers are thrown away, but not without end (RFC 9112 7.1.1).
_CHUNK_OVERHEAD_BYTES = 64 * 2**10
_UPGRADE_LINE = re.compile(rb"(?i)(?<=\r\n)upgrade:[^\r]*\r\n")


class RequestReader:
    """`waiting` are bytes received and not yet read. `is_complete` and `body_bytes` tell of the message in hand."""

    __slots__ = (
        "_fields",
        "_is_chunked",
        "_left",
        "_overhead_bytes",
        "_parser",
        "_parts",
        "_tail",
        "body_bytes",
        "is_complete",
        "waiting",
    )

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._fields: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []
        self._is_chunked = False
        self._left = 0
        self._overhead_bytes = 0
        self._tail = b""
        self.waiting = b""
        self.is_complete = True
        self.body_bytes = 0

    def receive(self, data: bytes) -> None:
        self.waiting = self.waiting + data if self.waiting else data

    def next_head(self, limit_bytes: int, limit_fields: int) -> RequestHead | None:
        """The head of the next message, or None until all of it is here. Raises MalformedRequest."""
        # RFC 9112 2.2: empty lines before a request line are ignored.
        while self.waiting.startswith(b"\r\n"):
            self.waiting = self.waiting[2:]
        end = self.waiting.find(b"\r\n\r\n") + 4
        if end > limit_bytes or (end == 3 and len(self.waiting) > limit_bytes):
            raise MalformedRequest(431, "The request head is too large.")  # RFC 6585 5
        if end == 3:
            if self.waiting and self.waiting != b"\r":
                check_unfinished(self.waiting)
            return None
        head = self.waiting[:end]
        self.waiting = self.waiting[end:]
        if head.count(b"\r\n") - 2 > limit_fields:
            raise MalformedRequest(431, "The request head has too many fields.")
        method, target, minor, start = read_request_line(head)
        try:
            fields = self._feed_head(head[start:])
        except httptools.HttpParserUpgrade:
            # No protocol is changed here, so the request goes on as if it had not asked (RFC 9110 7.8);
            # llhttp would leave its body to the other protocol.
            head = _UPGRADE_LINE.sub(b"", head)
            self._parser = httptools.HttpRequestParser(self)
            fields = self._feed_head(head[start:])
        request = read_head(head, method, target, minor, fields)
        self._is_chunked = request.content_length is None
        self._left = request.content_length or 0
        return request

    def _feed_head(self, lines: bytes) -> list[tuple[bytes, bytes]]:
        fields: list[tuple[bytes, bytes]] = []
        self._fields = fields
        self.is_complete = False
        self.body_bytes = 0
        try:
            self._parser.feed_data(_REQUEST_LINE_FOR_LLHTTP + lines)
        except httptools.HttpParserError as error:
            raise MalformedRequest(400, f"The request head is malformed: {error}.") from error
        self._fields = []
        return fields

    def next_body(self) -> bytes:
        """What is here of the body, without its coding. Raises MalformedRequest."""
        self._parts.clear()
        data = self.waiting
        try:
            if self._is_chunked:
                self.waiting = self._feed_chunked(data)
            elif len(data) <= self._left:
                self._left -= len(data)
                self.waiting = b""
                self._parser.feed_data(data)
            else:
                self.waiting = data[self._left :]
                self._parser.feed_data(data[: self._left])
        except httptools.HttpParserError as error:
            raise MalformedRequest(400, f"The request body is malformed: {error}.") from error
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    def _feed_chunked(self, data: bytes) -> bytes:
        """Returns what follows the message.

        llhttp does not tell where a message ended, and would go on into the next. The end of a
        chunked message is the end of a CRLF CRLF, so llhttp is fed no further than to the next of
        those. `_tail` is the last that it was fed: an end may lie across two reads.
        """
        while data and not self.is_complete:
            found = (self._tail + data).find(b"\r\n\r\n")
            cut = len(data) if found < 0 else found + 4 - len(self._tail)
            body_bytes = self.body_bytes
            self._parser.feed_data(data[:cut])
            self._overhead_bytes = 0 if self.body_bytes > body_bytes else self._overhead_bytes + cut
            if self._overhead_bytes > _CHUNK_OVERHEAD_BYTES:
                raise MalformedRequest(400, "The chunk extensions or trailers are too long.")
            self._tail = (self._tail + data[:cut])[-3:]
            data = data[cut:]
        if self.is_complete:
            self._tail = b""
            self._overhead_bytes = 0
        return data

    # -- llhttp calls these ----------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name.lower(), value))

    def on_body(self, data: bytes) -> None:
        self.body_bytes += len(data)
        self._parts.append(data)

    def on_message_complete(self) -> None:
        self.is_complete = True
