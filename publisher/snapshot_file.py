"""The gateway's snapshot file on this machine, brought up to date with the database.

What has changed is appended. Where it is not known for sure what the file says, or what has changed
since, everything is read: after a start, a failure, or a change of very many subscriptions.
"""

import gc
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from gateway.configuration import snapshot as snapshot_file
from gateway.configuration.snapshot import Content, Gone, Snapshot, SnapshotError
from publisher import changes
from publisher.compile import read_catalogue, read_snapshot
from publisher.reading import one_moment
from publisher.subscriptions import read_some_subscriptions

# A file to which so much more has been appended than it began with is written anew.
SPARE_BYTES = 2**20

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Published:
    """What the file says, but for subscriptions; its size, and the size that it began with."""

    catalogue: Snapshot
    size: int
    first_size: int

    @property
    def is_long(self) -> bool:
        return self.size > 2 * self.first_size + SPARE_BYTES


class SnapshotFile:
    """`revision` is what the file says for sure; None where that is not known."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._published: Published | None = None

    @property
    def revision(self) -> int | None:
        return self._published.catalogue.revision if self._published is not None else None

    def forget(self) -> None:
        """Compare everything at the next update, for the database may be another one by then."""
        self._published = None

    def update(self) -> None:
        """Raises DatabaseError and OSError; the file goes on saying what it said before."""
        published, self._published = self._published, None
        if published is not None:
            published = self._append_changes(published)
        if published is None or published.is_long:
            published = self._compare()
        self._published = published

    def _append_changes(self, published: Published) -> Published | None:
        """None where the log does not tell what has changed."""
        before = published.catalogue
        with one_moment():
            now = changes.revision()
            changed = changes.changed_subscriptions(before.revision, now)
            if changed is None:
                return None
            after = (
                read_catalogue(now.number) if now.catalogue > before.revision else replace(before, revision=now.number)
            )
            subscriptions = read_some_subscriptions(changed)
        changed_rows, gone = _difference(before, after)
        there = {subscription.id for subscription in subscriptions}
        return self._append(
            published,
            after,
            replace(changed_rows, subscriptions=subscriptions),
            replace(gone, subscriptions=tuple(id.bytes for id in changed.subscriptions if id.bytes not in there)),
        )

    def _compare(self) -> Published:
        """Read everything; append what differs from the file, or write it anew."""
        with _collector_paused():
            snapshot = read_snapshot()
            content = _content(self._file)
        if content is None:
            return self._write(snapshot)
        catalogue = replace(snapshot, subscriptions=())
        published = Published(catalogue, content.size, content.first_size)
        if published.is_long:
            return self._write(snapshot)
        changed, gone = _difference(content.snapshot, snapshot)
        if (changed, gone) == (_without_rows(content.snapshot), Gone()):
            return published
        return self._append(published, catalogue, changed, gone) or self._write(snapshot)

    def _append(self, published: Published, catalogue: Snapshot, changed: Snapshot, gone: Gone) -> Published | None:
        """None where the file is not the one that was published."""
        try:
            size = snapshot_file.append(changed, gone, self._file, published.size)
        except (SnapshotError, FileNotFoundError) as error:
            log.error("snapshot_file_lost error=%s", error)
            return None
        log.info(
            "snapshot_changed revision=%d %s",
            changed.revision,
            " ".join(f"{kind}={len(getattr(changed, kind))}-{len(getattr(gone, kind))}" for kind in _KINDS),
        )
        return Published(catalogue, size, published.first_size)

    def _write(self, snapshot: Snapshot) -> Published:
        started = time.monotonic()
        size = snapshot_file.write(snapshot, self._file)
        log.info(
            "snapshot_written revision=%d apis=%d subscriptions=%d bytes=%d seconds=%.3f",
            snapshot.revision,
            len(snapshot.apis),
            len(snapshot.subscriptions),
            size,
            time.monotonic() - started,
        )
        return Published(replace(snapshot, subscriptions=()), size, size)


_KINDS = ("apis", "products", "backends", "subscriptions")


def _difference(before: Snapshot, after: Snapshot) -> tuple[Snapshot, Gone]:
    """`after` with those of its rows only that are not in `before`, and what is gone."""
    changed, gone = {}, {}
    for kind in _KINDS:
        rows = {row.id: row for row in getattr(before, kind)}
        changed[kind] = tuple(row for row in getattr(after, kind) if rows.pop(row.id, None) != row)
        gone[kind] = tuple(rows)
    return replace(after, **changed), Gone(**gone)


def _without_rows(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, **dict.fromkeys(_KINDS, ()))


def _content(file: Path) -> Content | None:
    """None where it cannot be read to its end."""
    try:
        return snapshot_file.read_content(file)
    except (OSError, SnapshotError):
        return None


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Building 500,000 objects, none of them garbage, takes a third longer with the collector at work."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
