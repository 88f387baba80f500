"""Where debug traces lie until they are fetched: a folder that all workers of a host share.

A file is named for whom the token spoke, and for the trace, so that only a token for the same finds
it. Files are kept for an hour, and the newest thousand at most.
"""

import os
import re
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.log import logger
from gateway.replacing import replace_file
from gateway.telemetry.debug_token import DebugToken
from gateway.telemetry.debug_trace import DebugTrace

KEPT_SECONDS: Final = 3600.0
KEPT_FILES: Final = 1000
# Each with up to about 300 KB, in the worst case.
_FILES_BETWEEN_SWEEPS: Final = 100
_SECONDS_BETWEEN_SWEEPS: Final = 60.0
_ID: Final = re.compile(r"[0-9a-f]{32}")


class TraceStore:
    """For the event loop's thread; its disk is a local one."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._unswept = 0
        self._next_sweep = 0.0
        self._sweeper = ThreadPoolExecutor(1, thread_name_prefix="traces")
        self._sweeping: Future[None] | None = None

    def has_room(self) -> bool:
        """Whether one more trace may be made now."""
        return self._unswept < _FILES_BETWEEN_SWEEPS

    def tick(self, now: float) -> None:
        """Delete files that are too many or too old, in a thread. Call it about each second, with the Unix time."""
        is_due = self._unswept >= _FILES_BETWEEN_SWEEPS or now >= self._next_sweep
        if is_due and (self._sweeping is None or self._sweeping.done()):
            self._unswept = 0
            self._next_sweep = now + _SECONDS_BETWEEN_SWEEPS
            self._sweeping = self._sweeper.submit(self._sweep, now)

    def save(self, trace: DebugTrace) -> None:
        """A disk that takes nothing costs the trace, not the call."""
        self._unswept += 1
        file = self._file(trace.token, trace.id)
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            replace_file(file, (trace.to_json(),), mode=0o600, is_lasting=False)
        except OSError as error:
            logger.warning("debug trace not kept: %s", os.strerror(error.errno or 0))

    def find(self, token: DebugToken, trace_id: str) -> bytes | None:
        """The trace as JSON."""
        if not _ID.fullmatch(trace_id):
            return None
        file = self._file(token, trace_id)
        try:
            return file.read_bytes() if file.stat().st_mtime > time.time() - KEPT_SECONDS else None
        except OSError:
            return None

    def close(self) -> None:
        self._sweeper.shutdown(wait=False)

    def _file(self, token: DebugToken, trace_id: str) -> Path:
        holder = token.subscription.hex() if token.subscription is not None else "service"
        return self._directory / f"{holder}-{trace_id}.json"

    def _sweep(self, now: float) -> None:
        files = []
        with suppress(OSError), os.scandir(self._directory) as entries:
            for entry in entries:
                with suppress(OSError):
                    files.append((entry.stat().st_mtime, entry.path))
        files.sort(reverse=True)
        for place, (changed_at, path) in enumerate(files):
            if place >= KEPT_FILES or changed_at < now - KEPT_SECONDS:
                with suppress(OSError):
                    os.unlink(path)
