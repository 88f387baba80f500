"""Containers and blobs on disk.

Contents are files with random names; an index in SQLite says which blob has which file. A blob comes
into being, changes or goes by one transaction of the index, after its file is complete on disk: a
reader sees the old blob or the new one, and a crash leaves no more than a file that nothing names,
which the next start removes. Names of blobs never become file names.
"""

import contextlib
import hashlib
import json
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, TypeAlias

from examples.azureml.database import connect

SCHEMA = """
CREATE TABLE IF NOT EXISTS container (
    name TEXT PRIMARY KEY, etag TEXT NOT NULL, modified_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS blob (
    container TEXT NOT NULL REFERENCES container ON DELETE CASCADE,
    name TEXT NOT NULL,
    file TEXT NOT NULL,
    size INTEGER NOT NULL,
    md5 BLOB,
    etag TEXT NOT NULL,
    created_at REAL NOT NULL,
    modified_at REAL NOT NULL,
    properties TEXT NOT NULL,
    PRIMARY KEY (container, name)
);
CREATE TABLE IF NOT EXISTS block (
    container TEXT NOT NULL REFERENCES container ON DELETE CASCADE,
    name TEXT NOT NULL,
    id TEXT NOT NULL,
    file TEXT NOT NULL,
    size INTEGER NOT NULL,
    staged_at REAL NOT NULL,
    PRIMARY KEY (container, name, id)
);
"""
MAX_BLOCKS = 50_000
# Blocks that no list has made a blob of, as in Azure.
BLOCKS_KEPT = timedelta(days=7)
_COPY_BYTES = 2**20


class ContainerExists(Exception):
    pass


class NoSuchContainer(Exception):
    pass


class NoSuchBlob(Exception):
    pass


class NoSuchBlock(Exception):
    pass


class TooManyBlocks(Exception):
    pass


class StorageFull(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Container:
    name: str
    etag: str
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Blob:
    """`properties` are the header fields that came with it, such as content-type and x-ms-meta-*."""

    name: str
    file: str
    size: int
    md5: bytes | None
    etag: str
    created_at: datetime
    modified_at: datetime
    properties: dict[str, str]


# Looks at the blob as it is (None: there is none) and raises to forbid the change.
Precondition: TypeAlias = Callable[[Blob | None], None]


class Upload:
    """A new file of contents. Removed when the `with` block ends, unless a blob or block took it."""

    def __init__(self, file: Path) -> None:
        self.path = file
        self.size = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._stream: BinaryIO = open(  # noqa: SIM115 - closed by __exit__.
            file, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)
        )
        self.kept = False

    def __enter__(self) -> "Upload":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        if not self.kept:
            self.path.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        self._stream.write(data)
        self._md5.update(data)
        self.size += len(data)

    @property
    def md5(self) -> bytes:
        return self._md5.digest()

    def flush(self) -> None:
        """Bring the contents to the disk, so that the index never names a file that a crash could cut."""
        self._stream.flush()
        os.fsync(self._stream.fileno())


class BlobStore:
    def __init__(self, folder: Path, *, limit_bytes: int) -> None:
        self._contents = folder / "contents"
        self._contents.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._index = folder / "index.sqlite3"
        self._limit_bytes = limit_bytes
        with connect(self._index) as index:
            index.executescript(SCHEMA)
            index.execute("DELETE FROM block WHERE staged_at < ?", ((_now() - BLOCKS_KEPT).timestamp(),))
        self._remove_orphans()

    def _remove_orphans(self) -> None:
        with connect(self._index) as index:
            named = {row["file"] for row in index.execute("SELECT file FROM blob UNION ALL SELECT file FROM block")}
        for file in self._contents.iterdir():
            if file.name not in named:
                file.unlink()

    @contextlib.contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """A transaction; the files that it leaves without a name are removed after it."""
        with connect(self._index) as index:
            index.execute("CREATE TEMP TABLE freed (file TEXT)")
            for table in ("blob", "block"):
                index.execute(
                    f"CREATE TEMP TRIGGER {table}_deleted AFTER DELETE ON main.{table} "  # noqa: S608 - our own names.
                    "BEGIN INSERT INTO freed VALUES (old.file); END"
                )
            index.execute("BEGIN IMMEDIATE")
            with index:
                yield index
            freed = [row["file"] for row in index.execute("SELECT file FROM freed")]
        for file in freed:
            (self._contents / file).unlink(missing_ok=True)

    # -- Containers --------------------------------------------------------------------------

    def create_container(self, name: str) -> Container:
        container = Container(name, _new_etag(), _now())
        with self._change() as index:
            try:
                index.execute(
                    "INSERT INTO container VALUES (?, ?, ?)", (name, container.etag, container.modified_at.timestamp())
                )
            except sqlite3.IntegrityError as error:
                raise ContainerExists from error
        return container

    def container(self, name: str) -> Container:
        with connect(self._index) as index:
            return _container(index, name)

    def delete_container(self, name: str) -> None:
        with self._change() as index:
            _container(index, name)
            index.execute("DELETE FROM container WHERE name = ?", (name,))

    def containers(self, *, prefix: str, after: str, limit: int) -> list[Container]:
        with connect(self._index) as index:
            rows = index.execute(
                "SELECT * FROM container WHERE substr(name, 1, ?) = ? AND name > ? ORDER BY name LIMIT ?",
                (len(prefix), prefix, after, limit),
            )
            return [_container_of(row) for row in rows]

    # -- Blobs -------------------------------------------------------------------------------

    def new_upload(self, size: int) -> Upload:
        """Raises StorageFull if there is no room for that many bytes."""
        with connect(self._index) as index:
            self._refuse_when_full(index, size)
        return Upload(self._contents / secrets.token_hex(16))

    def _refuse_when_full(self, index: sqlite3.Connection, coming: int = 0) -> None:
        (used,) = index.execute(
            "SELECT total(size) FROM (SELECT size FROM blob UNION ALL SELECT size FROM block)"
        ).fetchone()
        if used + coming > self._limit_bytes:
            raise StorageFull

    def put_blob(
        self, container: str, name: str, upload: Upload, properties: dict[str, str], precondition: Precondition
    ) -> Blob:
        """Make the upload the blob's contents, whole; uncommitted blocks are dropped."""
        upload.flush()
        with self._change() as index:
            old = _blob_or_none(index, container, name)
            precondition(old)
            now = _now()
            blob = Blob(
                name,
                upload.path.name,
                upload.size,
                upload.md5,
                _new_etag(),
                old.created_at if old else now,
                now,
                properties,
            )
            index.execute("DELETE FROM blob WHERE container = ? AND name = ?", (container, name))
            index.execute("DELETE FROM block WHERE container = ? AND name = ?", (container, name))
            index.execute(
                "INSERT INTO blob VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    container,
                    name,
                    blob.file,
                    blob.size,
                    blob.md5,
                    blob.etag,
                    blob.created_at.timestamp(),
                    blob.modified_at.timestamp(),
                    json.dumps(properties),
                ),
            )
            self._refuse_when_full(index)
        upload.kept = True
        return blob

    def put_block(self, container: str, name: str, block_id: str, upload: Upload) -> None:
        upload.flush()
        with self._change() as index:
            _container(index, container)
            (count,) = index.execute(
                "SELECT count(*) FROM block WHERE container = ? AND name = ?", (container, name)
            ).fetchone()
            if count >= MAX_BLOCKS:
                raise TooManyBlocks
            index.execute("DELETE FROM block WHERE container = ? AND name = ? AND id = ?", (container, name, block_id))
            index.execute(
                "INSERT INTO block VALUES (?, ?, ?, ?, ?, ?)",
                (container, name, block_id, upload.path.name, upload.size, _now().timestamp()),
            )
            self._refuse_when_full(index)
        upload.kept = True

    def put_block_list(
        self,
        container: str,
        name: str,
        block_ids: Sequence[str],
        properties: dict[str, str],
        precondition: Precondition,
    ) -> Blob:
        """Make a blob of uncommitted blocks, in the order given. Raises NoSuchBlock."""
        with connect(self._index) as index:
            _container(index, container)
            rows = index.execute("SELECT id, file, size FROM block WHERE container = ? AND name = ?", (container, name))
            blocks = {row["id"]: row for row in rows}
        if any(block_id not in blocks for block_id in block_ids):
            raise NoSuchBlock
        with Upload(self._contents / secrets.token_hex(16)) as upload:
            for block_id in block_ids:
                self._append(upload, blocks[block_id]["file"])
            return self.put_blob(container, name, upload, properties, precondition)

    def _append(self, upload: Upload, file: str) -> None:
        try:
            with (self._contents / file).open("rb") as block:
                while data := block.read(_COPY_BYTES):
                    upload.write(data)
        except FileNotFoundError as error:
            raise NoSuchBlock from error

    def open(self, container: str, name: str) -> tuple[Blob, BinaryIO]:
        """A blob and its contents, which stay readable if the blob changes or goes."""
        while True:
            blob = self.blob(container, name)
            # The blob may have been replaced, and its file removed, since the index was read.
            with contextlib.suppress(FileNotFoundError):
                return blob, (self._contents / blob.file).open("rb")

    def blob(self, container: str, name: str) -> Blob:
        with connect(self._index) as index:
            blob = _blob_or_none(index, container, name)
        if blob is None:
            raise NoSuchBlob
        return blob

    def delete_blob(self, container: str, name: str, precondition: Precondition) -> None:
        with self._change() as index:
            blob = _blob_or_none(index, container, name)
            if blob is None:
                raise NoSuchBlob
            precondition(blob)
            index.execute("DELETE FROM blob WHERE container = ? AND name = ?", (container, name))

    def blobs(self, container: str, *, prefix: str, after: str, limit: int) -> list[Blob]:
        """Blobs in the order of their names, beginning after a name."""
        with connect(self._index) as index:
            _container(index, container)
            rows = index.execute(
                "SELECT * FROM blob WHERE container = ? AND substr(name, 1, ?) = ? AND name > ? ORDER BY name LIMIT ?",
                (container, len(prefix), prefix, after, limit),
            )
            return [_blob_of(row) for row in rows]


def _container(index: sqlite3.Connection, name: str) -> Container:
    row = index.execute("SELECT * FROM container WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise NoSuchContainer
    return _container_of(row)


def _container_of(row: sqlite3.Row) -> Container:
    return Container(row["name"], row["etag"], _instant(row["modified_at"]))


def _blob_or_none(index: sqlite3.Connection, container: str, name: str) -> Blob | None:
    _container(index, container)
    row = index.execute("SELECT * FROM blob WHERE container = ? AND name = ?", (container, name)).fetchone()
    return _blob_of(row) if row is not None else None


def _blob_of(row: sqlite3.Row) -> Blob:
    return Blob(
        row["name"],
        row["file"],
        row["size"],
        row["md5"],
        row["etag"],
        _instant(row["created_at"]),
        _instant(row["modified_at"]),
        json.loads(row["properties"]),
    )


def _new_etag() -> str:
    return f'"0x{secrets.token_hex(8).upper()}"'


def _now() -> datetime:
    return datetime.now(UTC)


def _instant(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
