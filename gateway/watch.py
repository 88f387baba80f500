"""Keeping the catalogue current: follows the snapshot file, and takes over each change in it.

A change of subscriptions is put into the catalogue that serves; one of anything else makes a new
catalogue, which is published once it is complete. Neither holds up calls (see `slices`).
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet

from gateway import tasks
from gateway.log import logger
from gateway.routing import Catalogue, CatalogueError, compile_in_steps, dismantle
from gateway.slices import in_slices
from gateway.snapshot import BATCH_ROWS, CatalogueRows, End, Part, Reader, SnapshotError, Subscription, batches
from gateway.subscriptions import Subscriptions

POLL_SECONDS = 0.1


@dataclass(slots=True)
class Change:
    """What has been read of a change so far. `rows` are all, `subscriptions` only those that differ.

    `seen` are the ids of all subscriptions of a file's first change: others are gone.
    """

    rows: CatalogueRows
    subscriptions: list[Subscription] = field(default_factory=list)
    gone: list[bytes] = field(default_factory=list)
    seen: set[bytes] | None = None

    def add(self, part: Part, served: Subscriptions) -> None:
        self.rows.change(part)
        self.gone += part.gone.subscriptions
        self.subscriptions += [row for row in part.subscriptions if row != served.by_id.get(row.id)]
        if self.seen is not None:
            self.seen.update([row.id for row in part.subscriptions])


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
        self._seen_size = 0
        self._change = Change(CatalogueRows())
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
        for _ in self._look():
            pass

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await in_slices(self._look())

    def _look(self) -> Iterator[None]:
        try:
            reader = self._current_reader()
            if reader is not None:
                yield from self._read_on(reader)
        except (SnapshotError, CatalogueError, OSError) as error:
            self._refuse(str(error))
        except Exception as error:
            # Whatever is wrong with one file, the next one must be looked at.
            logger.exception("snapshot refused, the last good one serves on")
            self.last_error = repr(error)

    def _current_reader(self) -> Reader | None:
        """None where the file is as it was at the last look."""
        try:
            status = self._file.stat()
        except FileNotFoundError:
            return None
        identity = (status.st_dev, status.st_ino)
        if self._reader is None or self._reader.identity != identity or status.st_size < self._seen_size:
            if self._reader is not None:
                self._reader.close()
                self._reader = None
            self._reader = Reader(self._file)
            self._change = Change(CatalogueRows(), seen=set())
        elif status.st_size == self._seen_size:
            return None
        self._seen_size = status.st_size
        return self._reader

    def _read_on(self, reader: Reader) -> Iterator[None]:
        while (part := reader.next()) is not None:
            self._change.add(part, self._subscriptions)
            yield
            if part.end is not None:
                change, self._change = self._change, Change(self._change.rows.copy())
                try:
                    yield from self._take_over(change, part.end)
                except CatalogueError as error:
                    # The next change may mend it; whatever else that one holds counts in any case.
                    self._refuse(str(error))
        if self._change.seen is not None:
            raise SnapshotError(f"{self._file.name}: it is not whole")

    def _take_over(self, change: Change, end: End) -> Iterator[None]:
        """Raises CatalogueError; subscriptions are taken over all the same."""
        catalogue = before = self._catalogue
        broken: CatalogueError | None = None
        if self._is_new(change.rows, end):
            snapshot = change.rows.snapshot(end)
            try:
                catalogue = yield from compile_in_steps(
                    snapshot, self._digest_secret, self._cipher, self._subscriptions, before
                )
            except CatalogueError as error:
                broken = error
        yield from self._replace_subscriptions(change)
        if broken is not None:
            raise broken
        self._catalogue, self._rows, self._end = catalogue, change.rows, end
        self.revision, self.published_at, self.loaded_at = end.revision, end.published_at, time.time()
        self.last_error = ""
        if catalogue is not None and catalogue is not before:
            self._publish(catalogue)
        logger.info("snapshot in use: revision=%d", self.revision)
        if before is not None and catalogue is not before:
            yield from dismantle(before)

    def _is_new(self, rows: CatalogueRows, end: End) -> bool:
        last = self._end
        if last is None or rows != self._rows:
            return True
        return (last.service_name, last.gateway_url) != (end.service_name, end.gateway_url)

    def _replace_subscriptions(self, change: Change) -> Iterator[None]:
        """Batch by batch; a small change becomes visible all at once."""
        served = self._subscriptions
        for batch in batches(change.subscriptions):
            for subscription in batch:
                served.put(subscription)
            if len(batch) == BATCH_ROWS:
                yield
        if change.seen is not None and len(served.by_id) > len(change.seen):
            change.gone += [row for row in served.by_id if row not in change.seen]
        for gone in batches(change.gone):
            for row in gone:
                served.remove(row)
            if len(gone) == BATCH_ROWS:
                yield
        while change.seen:
            change.seen.pop()
            yield

    def _refuse(self, error: str) -> None:
        if error != self.last_error:
            logger.error("snapshot refused, the last good one serves on: %s", error)
        self.last_error = error
