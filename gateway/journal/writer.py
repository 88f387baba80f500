"""The journal's writer: records in memory, one write per loop turn, parts, fsync, checkpoints.

A disk that is full or broken never stops a call: records wait in memory, up to a bound, and are
written once the disk takes them again.
"""

import logging
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from gateway.journal import checkpoint
from gateway.journal.locks import lock_name, new_part
from gateway.journal.parts import GATEWAY_NAME, MAGIC, frame, part_file
from gateway.journal.record import CallRecord
from gateway.limits.counters import Counters, Stands, TimesOf, fixed
from gateway.replacing import sync_folder

BUFFER_BYTES = 64 * 2**20
WRITE_BYTES = 4 * 2**20
SECONDS_BETWEEN_ERRORS = 60.0

log = logging.getLogger(__name__)

Counts = tuple[int, Stands, TimesOf]
"""The sequence of the first part that they do not cover, where quotas stand, and the times of calls."""


class JournalError(Exception):
    """The journal cannot be opened; the text says why."""


class JournalLocked(JournalError):
    """Another process writes under this name."""


class Journal:
    """One gateway's journal. Opening it restores the counts of the run before.

    All methods are for the event loop's thread. `append` and `flush` never raise.
    """

    def __init__(
        self,
        directory: Path,
        gateway: str,
        counters: Counters,
        *,
        part_bytes: int,
        part_seconds: float,
        fsync_seconds: float,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        """Raises JournalError where another process writes under this name, and OSError."""
        if not GATEWAY_NAME.fullmatch(gateway):
            raise JournalError(f"'{gateway}' cannot name a gateway: use letters, digits, '-' and '.'")
        directory.mkdir(parents=True, exist_ok=True)
        lock = lock_name(directory, gateway)
        if lock is None:
            raise JournalLocked(f"{gateway}.lock is locked: another gateway writes under this name")
        self._lock: int | None = lock
        self._directory, self._gateway, self._counters = directory, gateway, counters
        self._part_bytes, self._part_seconds, self._fsync_seconds = part_bytes, part_seconds, fsync_seconds
        # By the clock, so that no name comes back even if all files were lost: readers keep offsets by name.
        self._sequence = max(checkpoint.recover(directory, gateway, counters, time.time()), int(time.time()))
        self._buffer = bytearray()
        self._buffer_bytes = buffer_bytes
        self._file: int | None = None
        self._written = 0
        self._opened_at = self._synced_at = 0.0
        self._unsynced = 0
        self._is_closed = False
        self._waits_for_tick = False
        self._dropped = 0
        self._complained_at = -SECONDS_BETWEEN_ERRORS
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._syncing: Future[None] | None = None

    @property
    def waiting_bytes(self) -> int:
        """What is not on its way to the disk yet."""
        return len(self._buffer)

    @property
    def unsynced_bytes(self) -> int:
        """What is written and not on its way to safety yet."""
        return self._unsynced

    @property
    def dropped(self) -> int:
        """Records lost because the disk took none for too long."""
        return self._dropped

    def append(self, record: CallRecord) -> None:
        framed = frame(record)
        if len(self._buffer) + len(framed) > self._buffer_bytes:
            self._dropped += 1
            self._complain("journal_full waiting_bytes=%d dropped=%d", len(self._buffer), self._dropped)
        else:
            self._buffer += framed

    def flush(self) -> None:
        """Write what waits. After a failure it waits for the next tick."""
        if not self._buffer or self._waits_for_tick:
            return
        try:
            file = self._file if self._file is not None else self._begin_part()
            with memoryview(self._buffer) as waiting, waiting[:WRITE_BYTES] as piece:
                written = os.write(file, piece)
            # A short write leaves a torn frame only until its rest follows, in the same part.
            del self._buffer[:written]
            self._written += written
            self._unsynced += written
            if self._fsync_seconds == 0:
                os.fsync(file)
                self._unsynced = 0
        except OSError as error:
            self._waits_for_tick = True
            self._complain("journal_write_failed error=%s waiting_bytes=%d", error, len(self._buffer))

    def tick(self, now: float) -> None:
        """Call it about each second, with the Unix time: retries, fsync, and the next part."""
        self._waits_for_tick = False
        self.flush()
        if self._file is None:
            return
        self._opened_at = min(self._opened_at or now, now)
        if (
            # What is written after the hand-over stays in one part.
            self._lock is not None
            and not self._buffer
            and (self._written >= self._part_bytes or now - self._opened_at >= self._part_seconds)
        ):
            self._finish_part()
        elif self._unsynced and abs(now - self._synced_at) >= self._fsync_seconds and self._is_idle():
            self._synced_at, self._unsynced = now, 0
            self._syncing = self._disk.submit(self._sync, self._file)

    def hand_over(self) -> "Future[None]":
        """Leave the name, and with it the counts, to the next process; it can begin once the future is done.

        What calls in flight still bring goes into one more part. It exists before the name is free,
        so that the two processes never choose the same file.
        """
        self._write_all()
        finished = self._leave_part() if self._file is not None and not self._buffer else None
        if self._file is None:
            try:
                self._begin_part()
            except OSError as error:
                self._complain("journal_write_failed error=%s waiting_bytes=%d", error, len(self._buffer))
        lock, self._lock = self._lock, None
        return self._disk.submit(self._seal, finished, self._counts(), lock)

    def close(self) -> None:
        """Write all that waits, and a checkpoint, so that nothing has to be replayed."""
        if self._is_closed:
            return
        self._is_closed = True
        self._write_all()
        if self._buffer:
            log.error("journal_lost waiting_bytes=%d", len(self._buffer))
        if self._file is not None:
            self._finish_part()
        self._disk.shutdown(wait=True)
        if self._lock is not None:
            os.close(self._lock)

    def _write_all(self) -> None:
        self._waits_for_tick = False
        while self._buffer and not self._waits_for_tick:
            self.flush()

    def _begin_part(self) -> int:
        self._sequence = max(self._sequence, int(time.time()))
        while self._file is None:
            try:
                self._file = new_part(part_file(self._directory, self._gateway, self._sequence))
            except FileExistsError:
                self._sequence += 1
        self._buffer[:0] = MAGIC
        self._written, self._opened_at = 0, 0.0
        self._disk.submit(self._sync_directory)
        return self._file

    def _leave_part(self) -> int:
        """The file belongs to the disk thread from now on; the next flush begins another part."""
        file, self._file = self._file, None
        assert file is not None
        self._unsynced = 0
        self._sequence = max(self._sequence + 1, int(time.time()))
        return file

    def _finish_part(self) -> None:
        file = self._leave_part()
        self._disk.submit(self._seal, file, self._counts() if self._lock is not None else None, None)

    def _counts(self) -> Counts:
        """Of all parts before this one, at least: times of calls go on coming, which do no harm."""
        return self._sequence, self._counters.quotas(), self._counters.times()

    def _is_idle(self) -> bool:
        return self._syncing is None or self._syncing.done()

    def _seal(self, file: int | None, counts: Counts | None, lock: int | None) -> None:
        """Close a part, write the checkpoint that covers it, and give up the name, as far as there are such."""
        try:
            if file is not None:
                self._sync(file)
                os.close(file)
            if counts is not None:
                sequence, quotas, times = counts
                state = checkpoint.Checkpoint(sequence, quotas=quotas, rates=fixed(times))
                checkpoint.write(checkpoint.checkpoint_file(self._directory, self._gateway), state)
        except OSError as error:
            log.error("checkpoint_failed error=%s", error)
        self._sync_directory()
        if lock is not None:
            os.close(lock)

    def _sync(self, file: int) -> None:
        try:
            os.fsync(file)
        except OSError as error:
            log.error("journal_sync_failed error=%s", error)

    def _sync_directory(self) -> None:
        try:
            sync_folder(self._directory)
        except OSError as error:
            log.error("journal_sync_failed error=%s", error)

    def _complain(self, event: str, *fields: object) -> None:
        """Once a minute: this happens with each call while a disk is full."""
        now = time.monotonic()
        if now - self._complained_at >= SECONDS_BETWEEN_ERRORS:
            self._complained_at = now
            log.error(event, *fields)
