"""Keeps the gateway's snapshot file up to date with the database."""

import logging
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from portal import heartbeat
from portal.exclusive import only_one
from publisher import changes
from publisher.snapshot_file import SnapshotFile
from publisher.triggers import CHANNEL

POLL_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
# How often a publisher looks whether the one that has the file is gone.
TURN_SECONDS = 1.0

log = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Write the gateway's snapshot file whenever the configuration in the database changes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="Write the file once, and end.")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        try:
            if _publish_alone(settings.SNAPSHOT_FILE, once=once):
                return
            if once:
                raise CommandError(f"Another publisher keeps {settings.SNAPSHOT_FILE} up to date.")
            log.warning("publisher_waits error=another one keeps the file up to date")
            while not _publish_alone(settings.SNAPSHOT_FILE, once=once):
                time.sleep(TURN_SECONDS)
        except KeyboardInterrupt:
            log.info("publisher_stopped")


def _publish_alone(file: Path, *, once: bool) -> bool:
    """False at once where another process publishes into this file."""
    with only_one(file.with_suffix(".lock")) as is_alone:
        if is_alone and once:
            SnapshotFile(file).update()
        elif is_alone:
            Publisher(file).run()
        return is_alone


class Publisher:
    def __init__(self, file: Path) -> None:
        self._file = SnapshotFile(file)
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
                self._file.forget()
                connection.close()
                time.sleep(min(POLL_SECONDS * 2 ** min(failures, 10), LONGEST_PAUSE_SECONDS))
            else:
                if failures:
                    log.info("publisher_goes_on after_failures=%d", failures)
                failures = 0

    def _watch(self) -> None:
        """Publish, then wait until it is worth asking again."""
        if changes.revision().number != self._file.revision:
            self._file.update()
            changes.prune_log()
        self._pause()

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
