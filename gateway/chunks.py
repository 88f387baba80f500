"""Chunked bodies, decoded by llhttp (RFC 9112 7.1)."""

from typing import Final

import httptools

# Chunk extensions and trailers are thrown away, but not without end (RFC 9112 7.1.1).
CHUNK_OVERHEAD_BYTES: Final = 64 * 2**10
_HEAD: Final = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"


class BadChunks(ValueError):
    """The body breaks the rules of its coding."""


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Chunks:
    """One body, of a request or an answer.

    llhttp does not tell where a message ended, and would go on into the next. The end of a chunked
    message is the end of a CRLF CRLF, so llhttp is fed no further than to the next of those.
    """

    __slots__ = ("_overhead_bytes", "_parser", "_parts", "_tail", "is_complete")

    def __init__(self) -> None:
        self.is_complete = False
        self._parts: list[bytes] = []
        self._overhead_bytes = 0
        # The last that llhttp was fed: an end may lie across two reads.
        self._tail = b""
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(_HEAD)

    def read(self, data: bytes) -> tuple[bytes, bytes]:
        """The body's bytes in it, and what follows the body. Raises BadChunks."""
        self._parts.clear()
        buffer = self._tail + data
        fed = len(self._tail)
        while fed < len(buffer) and not self.is_complete:
            found = buffer.find(b"\r\n\r\n", max(fed - 3, 0))
            end = len(buffer) if found < 0 else found + 4
            self._feed(buffer[fed:end])
            fed = end
        self._tail = buffer[max(fed - 3, 0) : fed]
        return b"".join(self._parts), buffer[fed:]

    def _feed(self, data: bytes) -> None:
        parts = len(self._parts)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise BadChunks(str(error)) from error
        self._overhead_bytes = 0 if len(self._parts) > parts else self._overhead_bytes + len(data)
        if self._overhead_bytes > CHUNK_OVERHEAD_BYTES:
            raise BadChunks("the extensions or trailers are too long")

    def on_body(self, data: bytes) -> None:
        self._parts.append(data)

    def on_message_complete(self) -> None:
        self.is_complete = True
