"""Keeping the catalogue current: follows the snapshot file, and takes over each change in it.

A change of subscriptions is put into the catalogue that serves; one of anything else makes a new
catalogue, which is published once it is complete. Neither holds up calls (see `slices`).
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG

from cryptography.fernet import Fernet

from gateway import tasks
from gateway.catalogue.routing import Catalogue, CatalogueError, compile_in_steps, dismantle
from gateway.catalogue.slices import emptied, in_slices
from gateway.catalogue.subscriptions import Subscriptions
from gateway.configuration.snapshot import BATCH_ROWS, CatalogueRows, End, Part, Reader, SnapshotError, Subscription
from gateway.log import logger

POLL_SECONDS = 0.1

Version = tuple[int, int, int, int]


@dataclass(slots=True)
class Change:
    """What has been read of a change so far.

    `rows` are all, copied from those of the change before when the first of them differs;
    `subscriptions` are only those that differ from what is served. `seen` are the ids of all
    subscriptions of a file's first change: others are gone. They are in many small sets, because a
    large one holds up calls for milliseconds each time it grows.
    """

    rows: CatalogueRows
    has_own_rows: bool = False
    subscriptions: list[Subscription] = field(default_factory=list)
    gone: list[bytes] = field(default_factory=list)
    seen: list[set[bytes]] | None = None

    def add(self, part: Part, served: Subscriptions) -> None:
        if part.tells_of_catalogue:
            if not self.has_own_rows:
                self.rows, self.has_own_rows = self.rows.copy(), True
            self.rows.change(part)
        self.gone += part.gone.subscriptions
        self.subscriptions += [row for row in part.subscriptions if row != served.by_id.get(row.id)]
        if self.seen is not None:
            for row in part.subscriptions:
                self.seen[row.id[-1]].add(row.id)


def first_change() -> Change:
    return Change(CatalogueRows(), has_own_rows=True, seen=[set() for _ in range(256)])


class Watch:
    """Calls `publish` with each new catalogue. What is no good in a file changes nothing.

    `revision`, `published_at` (by the publisher) and `loaded_at` (Unix times) are those of the last
    change that was taken over; `last_error` is why a later one was not, or empty.
    """

    def __init__(
        self, file: Path, digest_secret: bytes, cipher: Fernet, publish: Callable[[Catalogue], object]
    ) -> None:
        self.revision = 0
        self.published_at: float | None = None
        self.loaded_at: float | None = None
        self.last_error = ""
        self._file = file
        self._digest_secret = digest_secret
        self._cipher = cipher
        self._publish = publish
        self._reader: Reader | None = None
        self._seen: Version | None = None
        self._change = first_change()
        self._rows = CatalogueRows()
        self._end: End | None = None
        self._subscriptions = Subscriptions()
        self._catalogue: Catalogue | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Follow the file from now on, in the running loop."""
        self._task = tasks.start(self._run(), name="snapshot watch")

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def look(self) -> None:
        """Take over what is new in the file, at once."""
        for _ in self.steps():
            pass

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await in_slices(self.steps())
            except Exception:
                logger.exception("the snapshot could not be looked at")

    def steps(self) -> Iterator[None]:
        """Take over what is new in the file, with pauses in between."""
        before = self.revision
        try:
            reader = self._current_reader()
            if reader is not None:
                yield from self._read_on(reader)
        except SnapshotError as error:
            self._refuse(str(error))
        except OSError as error:
            # There may be no descriptors left: what was read of a change is read again, until it can be used.
            self._refuse(str(error))
            self._close_reader()
            self._seen = None
        except Exception as error:
            # Whatever is wrong, the next change must be looked at, and nothing of this one may be missed.
            logger.exception("snapshot refused, the last good one serves on")
            self.last_error = repr(error)
            self._close_reader()
        finally:
            if self.revision != before:
                logger.info("snapshot in use: revision=%d", self.revision)

    def _current_reader(self) -> Reader | None:
        """None where the file is as it was at the last look."""
        try:
            status = self._file.stat()
        except FileNotFoundError:
            return None
        version = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        before, self._seen = self._seen, version
        if version == before:
            return None
        if not S_ISREG(status.st_mode):
            # Opening a pipe would wait for whoever writes into it.
            raise SnapshotError(f"{self._file.name}: it is no regular file")
        reader = self._reader
        if reader is None or reader.identity != version[:2] or status.st_size < reader.position:
            self._close_reader()
            self._reader = reader = Reader(self._file)
            self._change = first_change()
        return reader

    def _close_reader(self) -> None:
        if self._reader is not None:
            reader, self._reader = self._reader, None
            try:
                # Where the file is deleted, closing it frees its blocks, and may wait for the disk.
                threading.Thread(target=reader.close, name="snapshot close").start()
            except RuntimeError:  # No thread can be started.
                reader.close()

    def _read_on(self, reader: Reader) -> Iterator[None]:
        while (part := reader.next()) is not None:
            self._change.add(part, self._subscriptions)
            yield
            if part.end is not None:
                change, self._change = self._change, Change(self._change.rows)
                yield from self._take_over(change, part.end)
        if self._change.seen is not None:
            raise SnapshotError(f"{self._file.name}: it is not whole")

    def _take_over(self, change: Change, end: End) -> Iterator[None]:
        """Subscriptions in any case, everything else where it can be served."""
        before, rows_before = self._catalogue, self._rows
        if not self._is_new(change.rows, end):
            yield from self._replace_subscriptions(change)
        else:
            snapshot = change.rows.snapshot(end)
            steps = compile_in_steps(snapshot, self._digest_secret, self._cipher, self._subscriptions, before)
            try:
                catalogue = yield from steps
            except CatalogueError as error:
                # The next change may mend it.
                self._refuse(str(error))
                yield from self._replace_subscriptions(change)
                return
            yield from self._replace_subscriptions(change)
            self._catalogue, self._end = catalogue, end
            self._publish(catalogue)
        self._rows = change.rows
        self.revision, self.published_at, self.loaded_at = end.revision, end.published_at, time.time()
        self.last_error = ""
        if before is not None and before is not self._catalogue:
            yield from dismantle(before)
        if rows_before is not change.rows:
            yield from emptied(rows_before.apis, rows_before.products, rows_before.backends)

    def _is_new(self, rows: CatalogueRows, end: End) -> bool:
        last = self._end
        if last is None or (rows is not self._rows and rows != self._rows):
            return True
        return (last.service_name, last.gateway_url) != (end.service_name, end.gateway_url)

    def _replace_subscriptions(self, change: Change) -> Iterator[None]:
        """Batch by batch; a small change becomes visible all at once."""
        served = self._subscriptions
        while change.subscriptions:
            for subscription in change.subscriptions[-BATCH_ROWS:]:
                served.put(subscription)
            del change.subscriptions[-BATCH_ROWS:]
            if change.subscriptions:
                yield
        if change.seen is not None:
            yield from self._remove_unseen(change.seen)
        for row in change.gone:
            served.remove(row)
            yield

    def _remove_unseen(self, seen: list[set[bytes]]) -> Iterator[None]:
        served = self._subscriptions
        if len(served.by_id) > sum(map(len, seen)):
            for row in list(served.by_id):
                if row not in seen[row[-1]]:
                    served.remove(row)
                yield
        while seen:
            seen.pop()
            yield

    def _refuse(self, error: str) -> None:
        if error != self.last_error:
            logger.error("snapshot refused, the last good one serves on: %s", error)
        self.last_error = error
