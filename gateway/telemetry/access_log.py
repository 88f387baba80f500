"""A line of JSON for each call, on standard output or in a file.

Lines wait in memory and a thread writes them, several times a second. A disk that is full or a pipe
that nobody reads never stops a call: lines that find no room are dropped and counted. A file that
was moved away is opened anew, so that logrotate needs to tell nobody.
"""

import logging
import os
import select
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Final

import msgspec

from gateway.journal.record import CallRecord
from gateway.log import Sparingly

BUFFER_BYTES: Final = 16 * 2**20
WRITE_BYTES: Final = 64 * 2**10
# What one write puts into a pipe as a whole, so that the lines of several processes do not mix (POSIX write).
LINE_BYTES: Final = select.PIPE_BUF
# Of an URL that makes its line longer: in JSON a character takes up to six bytes.
CUT_URL_BYTES: Final = 400
CLOSE_SECONDS: Final = 2.0
_SECONDS_BETWEEN_LOOKS: Final = 1.0

_failed: Final = Sparingly(logging.ERROR, "access_log_failed error=%s dropped=%d")


class AccessLine(msgspec.Struct):
    """`url` is path and query without the subscription key. `error_*` are Azure's LastError words."""

    time: datetime
    request_id: str
    trace_id: str | None
    caller: str
    method: str
    url: str
    api: int | None
    operation: int | None
    product: int | None
    subscription: str | None
    user: int | None
    status: int
    backend_status: int | None
    total_ms: float
    backend_ms: float | None
    request_bytes: int
    response_bytes: int
    error_source: str
    error_reason: str
    retries: int


_encode = msgspec.json.Encoder().encode


def line(record: CallRecord, retries: int, trace_id: bytes | None) -> bytes:
    """With its line feed; LINE_BYTES at most."""
    subscription = record.subscription.hex() if record.subscription is not None else None
    backend_seconds = record.backend_seconds
    fields = AccessLine(
        datetime.fromtimestamp(record.at, UTC),
        record.request_id.decode(),
        trace_id.decode() if trace_id is not None else None,
        record.caller_address,
        record.method.decode(),
        record.url.decode("ascii", "backslashreplace"),
        record.api,
        record.operation,
        record.product,
        subscription,
        record.user,
        record.response_code,
        record.backend_code,
        round(record.total_seconds * 1000, 3),
        round(backend_seconds * 1000, 3) if backend_seconds is not None else None,
        record.request_bytes,
        record.response_bytes,
        record.error_source,
        record.error_reason,
        retries,
    )
    encoded = _encode(fields)
    if len(encoded) >= LINE_BYTES:
        fields.url = fields.url[:CUT_URL_BYTES] + "..."
        encoded = _encode(fields)
    return encoded + b"\n"


class AccessLog:
    """All methods are for the event loop's thread; `append` and `flush` never raise and never wait."""

    def __init__(self, file: Path | None) -> None:
        """None is standard output. Raises OSError."""
        self._file = file
        self._descriptor = _open(file) if file is not None else 1
        self._is_pipe = not stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        self._buffer = bytearray()
        self._dropped = self._lost = 0
        self._is_writing = self._is_torn = False
        self._looked_at = time.monotonic()
        self._queue: SimpleQueue[bytearray | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="access log", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines that nobody will read."""
        return self._dropped + self._lost

    def append(self, record: CallRecord, retries: int, trace_id: bytes | None) -> None:
        buffer = self._buffer
        if len(buffer) >= BUFFER_BYTES:
            self._dropped += 1
            return
        buffer += line(record, retries, trace_id)
        if len(buffer) >= WRITE_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand what waits to the thread, unless it still writes. Call it several times a second."""
        if self._buffer and not self._is_writing:
            self._is_writing = True
            waiting, self._buffer = self._buffer, bytearray()
            self._queue.put(waiting)

    def close(self) -> None:
        """Write what waits, for CLOSE_SECONDS at most."""
        self._queue.put(self._buffer)
        self._queue.put(None)
        self._thread.join(CLOSE_SECONDS)

    # -- The thread's -----------------------------------------------------------------------------

    def _run(self) -> None:
        while (lines := self._queue.get()) is not None:
            self._write(bytes(lines))
            self._is_writing = False

    def _write(self, lines: bytes) -> None:
        written = 0
        try:
            self._follow_rotation()
            if self._is_torn:
                os.write(self._descriptor, b"\n")
                self._is_torn = False
            for piece in self._pieces(lines):
                while piece:
                    count = os.write(self._descriptor, piece)
                    written += count
                    piece = piece[count:]
        except OSError as error:
            if written:
                self._is_torn = lines[written - 1 : written] != b"\n"
            self._lost += lines.count(b"\n", written)
            _failed.log("", time.monotonic(), error, self.dropped)

    def _pieces(self, lines: bytes) -> Iterator[bytes]:
        """All at once into a file; into a pipe no more than it takes as a whole."""
        if not self._is_pipe:
            yield lines
            return
        start = 0
        while start < len(lines):
            end = lines.rfind(b"\n", start, start + LINE_BYTES) + 1
            yield lines[start:end]
            start = end

    def _follow_rotation(self) -> None:
        """Open the file anew where another one, or none, has its name; where that fails the old one goes on."""
        now = time.monotonic()
        if self._file is None or now - self._looked_at < _SECONDS_BETWEEN_LOOKS:
            return
        self._looked_at = now
        try:
            with suppress(FileNotFoundError):
                if os.path.samestat(self._file.stat(), os.fstat(self._descriptor)):
                    return
            descriptor = _open(self._file)
        except OSError as error:
            _failed.log("", now, error, self.dropped)
            return
        os.close(self._descriptor)
        self._descriptor, self._is_torn = descriptor, False
        self._is_pipe = not stat.S_ISREG(os.fstat(descriptor).st_mode)


def _open(file: Path) -> int:
    return os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
