"""Keeps the gateway's snapshot file up to date with the database."""

import gc
import logging
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection

from gateway import snapshot as snapshot_file
from gateway.snapshot import Snapshot, SnapshotError
from portal import heartbeat
from publisher.compile import current_revision, read_snapshot
from publisher.triggers import CHANNEL

POLL_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0

log = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Write the gateway's snapshot file whenever the configuration in the database changes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="Write the file once, and end.")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        publisher = Publisher(settings.SNAPSHOT_FILE)
        if once:
            publisher.publish()
            return
        try:
            publisher.run()
        except KeyboardInterrupt:
            log.info("publisher_stopped")


class Publisher:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._published = _published(file)
        self._revision: int | None = None
        self._listening: object = None

    def run(self) -> None:
        """Publish now and whenever the revision differs, through outages, until interrupted."""
        failures = 0
        while True:
            try:
                self._watch()
                heartbeat.beat("publisher")
            except (DatabaseError, OSError) as error:
                if failures == 0:
                    log.error("publisher_waits error=%s", str(error).partition("\n")[0])
                failures += 1
                connection.close()
                time.sleep(min(POLL_SECONDS * 2 ** min(failures, 10), LONGEST_PAUSE_SECONDS))
            else:
                if failures:
                    log.info("publisher_goes_on after_failures=%d", failures)
                failures = 0

    def _watch(self) -> None:
        """Publish, then wait until it is worth asking again."""
        if self._revision is None or current_revision() != self._revision:
            self.publish()
        self._pause()

    def publish(self) -> None:
        """Raises DatabaseError, or OSError where the file cannot be written; the old one stays then."""
        started = time.monotonic()
        with _collector_paused():
            snapshot = read_snapshot()
        if snapshot != self._published:
            snapshot_file.write(snapshot, self._file)
            log.info(
                "snapshot_published revision=%d apis=%d subscriptions=%d seconds=%.3f",
                snapshot.revision,
                len(snapshot.apis),
                len(snapshot.subscriptions),
                time.monotonic() - started,
            )
        self._published, self._revision = snapshot, snapshot.revision

    def _pause(self) -> None:
        """Until the next poll; PostgreSQL wakes us earlier."""
        if connection.vendor != "postgresql":
            time.sleep(POLL_SECONDS)
            return
        connection.ensure_connection()
        if connection.connection is not self._listening:
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
            self._listening = connection.connection
        with connection.wrap_database_errors:
            for _ in connection.connection.notifies(timeout=POLL_SECONDS, stop_after=1):
                pass


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Building 500,000 objects, none of them garbage, takes a third longer with the collector at work."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _published(file: Path) -> Snapshot | None:
    try:
        return snapshot_file.read(file)
    except (OSError, SnapshotError):
        return None
