"""The publisher's process, killed again and again while the configuration changes."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from gateway.configuration import snapshot
from gateway.configuration.snapshot import SnapshotError
from tests.gateway.conftest import ROOT, wait_for


class Publisher:
    """`manage.py publish` with a database of its own."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "gateway" / "snapshot.msgpack"
        self._database = directory / "db.sqlite3"
        self._environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        self._environment["DATA_DIR"] = str(directory)
        self.log = directory / "log"
        subprocess.run([*self._manage("migrate"), "-v0"], cwd=ROOT, env=self._environment, check=True)

    def _manage(self, command: str) -> list[str]:
        return [sys.executable, "manage.py", command]

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


@pytest.fixture
def publisher(tmp_path):
    return Publisher(tmp_path)


def test_a_publisher_that_is_killed_misses_nothing(publisher):
    made = {publisher.subscribe()}

    def has_published_all():
        return publisher.published() == made

    for _ in range(3):
        with publisher.running():
            wait_for(has_published_all)
            made |= {publisher.subscribe() for _ in range(5)}
        made.add(publisher.subscribe())
    with publisher.running():
        wait_for(has_published_all)


def test_a_second_publisher_waits_and_takes_over(publisher):
    with ExitStack() as second:
        with publisher.running():
            made = {publisher.subscribe()}
            wait_for(lambda: publisher.published() == made)
            second.enter_context(publisher.running())
            wait_for(lambda: "publisher_waits" in publisher.log.read_text())
        made.add(publisher.subscribe())
        wait_for(lambda: publisher.published() == made)
