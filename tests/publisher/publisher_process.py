"""The publisher as a process."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

from gateway.configuration import snapshot
from gateway.configuration.snapshot import SnapshotError
from tests.gateway.conftest import ROOT, wait_for

# Each process begins with all of the product's code to load, which takes long on a machine that is busy.
until = partial(wait_for, seconds=180)


class Publisher:
    """`manage.py publish` with a database of its own."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "gateway" / "snapshot.msgpack"
        self._database = directory / "db.sqlite3"
        self._environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        self._environment["DATA_DIR"] = str(directory)
        self.log = directory / "log"
        subprocess.run([*self._manage("migrate"), "-v0"], cwd=ROOT, env=self._environment, check=True)

    def _manage(self, *command: str) -> list[str]:
        return [sys.executable, "manage.py", *command]

    def shell(self, code: str) -> subprocess.Popen[str]:
        """Code in the product's own words, on this database."""
        command = self._manage("shell", "-v0", "--command", code)
        return subprocess.Popen(
            command, cwd=ROOT, env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Until it is killed, at whatever it is doing then."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(self._manage("publish"), cwd=ROOT, env=self._environment, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.kill()
            process.wait()

    def subscribe(self) -> bytes:
        subscription = uuid4()
        with closing(sqlite3.connect(self._database, timeout=20)) as connection, connection:
            connection.execute(
                "INSERT INTO subscriptions_subscription (id, display_name, all_apis, state, state_comment,"
                " terms_accepted, allow_tracing, created_at) VALUES (?, 'raw', 1, 'active', '', '', 0, '2030-01-01')",
                [subscription.hex],
            )
        return subscription.bytes

    def published(self) -> set[bytes]:
        try:
            return {one.id for one in snapshot.read(self.file).subscriptions}
        except (OSError, SnapshotError):
            return set()
