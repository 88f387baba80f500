"""Keeping the catalogue current: a thread looks at the snapshot file and compiles what is new."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from gateway import snapshot
from gateway.log import logger
from gateway.routing import Catalogue, CatalogueError, compile_catalogue
from gateway.snapshot import SnapshotError

POLL_SECONDS = 0.1

Version = tuple[int, int, int]


class Watch:
    """Calls `publish` from its thread with each new catalogue. A file that is no good changes nothing.

    `is_refused`: the newest file is no good. `loaded_at`: when the last good one was read, in Unix time.
    """

    def __init__(self, file: Path, digest_secret: bytes, publish: Callable[[Catalogue], object]) -> None:
        self._file = file
        self._digest_secret = digest_secret
        self._publish = publish
        self.is_refused = False
        self.loaded_at: float | None = None
        self._seen: Version | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="snapshot watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def look(self) -> None:
        """Read the file if it is another one than before. The publisher replaces it whole."""
        try:
            status = self._file.stat()
        except OSError:
            return
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        if version == self._seen:
            return
        self._seen = version
        self.is_refused = True
        try:
            catalogue = compile_catalogue(snapshot.read(self._file), self._digest_secret)
        except (SnapshotError, CatalogueError, OSError) as error:
            logger.error("snapshot refused, the last good one serves on: %s", error)
            return
        except Exception:
            # Whatever is wrong with one file, the next one must be looked at.
            logger.exception("snapshot refused, the last good one serves on")
            return
        logger.info("snapshot in use: revision=%d", catalogue.revision)
        self.is_refused, self.loaded_at = False, time.time()
        self._publish(catalogue)

    def _run(self) -> None:
        while not self._stopping.wait(POLL_SECONDS):
            self.look()
