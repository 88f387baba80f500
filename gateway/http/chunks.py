"""The chunked transfer coding (RFC 9112 7.1), read strictly.

Only what stands between the chunks is looked at; their data is cut out, whatever is in it.
Extensions are thrown away.
"""

import re
from typing import Final

# RFC 9112 7.1.1 asks for a limit. A line is that of a chunk's size with its extensions, or of one trailer.
LINE_LIMIT_BYTES: Final = 4096
TRAILERS_LIMIT_BYTES: Final = 16 * 2**10
# More than any body has; and positions behind it are still numbers that C can hold.
CHUNK_LIMIT_BYTES: Final = 2**62
LAST_CHUNK: Final = b"0\r\n\r\n"

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_TEXT = rb"[\t -~\x80-\xff]"
_SIZE = rb"([0-9A-Fa-f]{1,16}+)(?:;" + _TEXT + rb"*+)?\r\n"
_FIRST_SIZE = re.compile(_SIZE)
_NEXT_SIZE = re.compile(rb"\r\n" + _SIZE)
_TRAILER = re.compile(rb"(" + _TOKEN + rb"++:" + _TEXT + rb"*+)?\r\n")
_SIZE_BEGUN = rb"(?:[0-9A-Fa-f]{1,16}+(?:;" + _TEXT + rb"*+)?\r?)?"
# What each of them may look like while its end has not arrived.
_BEGUN = {
    _FIRST_SIZE: re.compile(_SIZE_BEGUN),
    _NEXT_SIZE: re.compile(rb"\r?|\r\n" + _SIZE_BEGUN),
    _TRAILER: re.compile(rb"(?:" + _TOKEN + rb"++(?::" + _TEXT + rb"*+)?)?\r?"),
}
_TOO_LONG = "the extensions or trailers are too long"


class BadChunks(ValueError):
    """The body breaks the rules of its coding."""


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Chunks:
    """One body, of a request or an answer.

    `_left` is what has not arrived of the chunk in hand, `_begun` the start of a line whose end has
    not, `_expected` how the next line looks. `trailers` are lines, without their ends.
    """

    __slots__ = ("_begun", "_expected", "_left", "_trailer_bytes", "is_complete", "trailers")

    def __init__(self) -> None:
        self.is_complete = False
        self.trailers: list[bytes] = []
        self._expected = _FIRST_SIZE
        self._begun = b""
        self._left = 0
        self._trailer_bytes = 0

    def read(self, data: bytes) -> tuple[bytes, bytes]:
        """The body's bytes in it, and what follows the body. Raises BadChunks."""
        if self._left > len(data):
            self._left -= len(data)
            return data, b""
        data = self._begun + data
        parts = []
        position, left, expected = 0, self._left, self._expected
        # A match cannot begin behind the end of `data`: then the chunk in hand has not arrived yet.
        while line := expected.match(data, end := position + left):
            parts.append(data[position:end])
            position = line.end()
            if position - end > LINE_LIMIT_BYTES:
                raise BadChunks(_TOO_LONG)
            if expected is _TRAILER:
                left = 0
                self._trailer_bytes += position - end
                if self._trailer_bytes > TRAILERS_LIMIT_BYTES:
                    raise BadChunks(_TOO_LONG)
                if line[1] is None:
                    self.is_complete = True
                    return b"".join(parts), data[position:]
                self.trailers.append(line[1])
            else:
                left = int(line[1], 16)
                if left > CHUNK_LIMIT_BYTES:
                    raise BadChunks("a chunk is too large")
                expected = _NEXT_SIZE if left else _TRAILER
        parts.append(data[position:end])
        self._left = max(end - len(data), 0)
        self._expected = expected
        self._begun = data[end:]
        self._check_begun()
        return b"".join(parts), b""

    def _check_begun(self) -> None:
        """Refuse at once what cannot become the line that is expected."""
        if not self._left and not _BEGUN[self._expected].fullmatch(self._begun):
            raise BadChunks("a trailer is malformed" if self._expected is _TRAILER else "a chunk's size is malformed")
        if len(self._begun) > LINE_LIMIT_BYTES:
            raise BadChunks(_TOO_LONG)
