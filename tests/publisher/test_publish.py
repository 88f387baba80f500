"""`manage.py publish`: the snapshot file follows the database."""

import logging
import sqlite3
from contextlib import closing

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, connection, connections, transaction
from django.db.utils import ConnectionHandler

from apis.models import API
from gateway.configuration import snapshot as snapshot_file
from portal.exclusive import only_one
from portal.heartbeat import last_beat
from publisher import reading
from publisher.compile import read_snapshot
from publisher.management.commands import publish
from publisher.management.commands.publish import Publisher
from publisher.reading import one_moment
from publisher.snapshot_file import SnapshotFile
from tests.publisher.conftest import in_another_connection


@pytest.fixture
def file(tmp_path, settings):
    settings.SNAPSHOT_FILE = tmp_path / "gateway" / "snapshot.msgpack"
    return settings.SNAPSHOT_FILE


def test_once_writes_the_file_and_ends(shop, file):
    call_command("publish", "--once")
    assert snapshot_file.read(file) == read_snapshot()
    assert file.stat().st_mode & 0o077 == 0


def test_a_file_that_is_right_already_is_not_written_again(shop, file):
    call_command("publish", "--once")
    before = file.stat()
    call_command("publish", "--once")
    assert file.stat().st_ino == before.st_ino


@pytest.mark.parametrize("content", [b"", b"\xff" * 100])
def test_a_file_that_is_broken_is_replaced(shop, file, content):
    file.parent.mkdir()
    file.write_bytes(content)
    call_command("publish", "--once")
    assert snapshot_file.read(file) == read_snapshot()


def test_one_publisher_writes_a_file_at_a_time(shop, file):
    with only_one(file.with_suffix(".lock")), pytest.raises(CommandError, match="Another publisher"):
        call_command("publish", "--once")
    assert not file.exists()
    call_command("publish", "--once")
    assert file.exists()


class Stop(Exception):
    """Ends the endless loop of a test's publisher."""


class Steps(Publisher):
    """A publisher that does something each time it would wait."""

    def __init__(self, file, *steps):
        super().__init__(file)
        self.steps = list(steps)

    def _pause(self):
        if not self.steps:
            raise Stop
        self.steps.pop(0)()


def revisions_seen(file, seen):
    return lambda: seen.append(snapshot_file.read(file).apis[0].path)


@pytest.mark.django_db(transaction=True)
def test_changes_reach_the_file_one_after_another(committed_shop, file):
    seen = []
    look = revisions_seen(file, seen)
    publisher = Steps(
        file, look, lambda: API.objects.update(path="b"), look, look, lambda: API.objects.update(path="c"), look
    )
    with pytest.raises(Stop):
        publisher.run()
    assert seen == ["echo", "b", "b", "c"]


def test_sign_of_life_is_given_while_the_database_answers(shop, file, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    with pytest.raises(Stop):
        Steps(file).run()
    assert last_beat("publisher") is None
    with pytest.raises(Stop):
        Steps(file, lambda: None).run()
    assert last_beat("publisher") is not None


def test_an_outage_is_survived_and_logged_once(shop, file, monkeypatch, caplog):
    failures = [OperationalError("gone"), OperationalError("gone"), OSError("full")]
    update = SnapshotFile.update

    def fail_at_first(snapshot_file):
        if failures:
            raise failures.pop(0)
        update(snapshot_file)

    publisher, pauses = Steps(file), []
    monkeypatch.setattr(SnapshotFile, "update", fail_at_first)
    monkeypatch.setattr(publish.time, "sleep", pauses.append)
    monkeypatch.setattr(publish.connection, "close", lambda: None)
    with caplog.at_level(logging.INFO), pytest.raises(Stop):
        publisher.run()
    assert [entry.levelname for entry in caplog.records if "publisher_waits" in entry.message] == ["ERROR"]
    assert pauses == sorted(pauses)
    assert file.exists()


@pytest.fixture
def on_disk(tmp_path, monkeypatch):
    """SQLite as it runs in production; in tests the database lies in memory, where readers block writers."""
    database = connections.settings["default"] | {"NAME": tmp_path / "db.sqlite3"}
    handler = ConnectionHandler({"default": database})
    monkeypatch.setattr(reading, "connection", handler["default"])
    yield handler["default"]
    handler.close_all()


@pytest.mark.skipif("connection.vendor != 'sqlite'")
@pytest.mark.django_db
def test_sqlite_reads_one_moment_and_lets_others_write(on_disk):
    with on_disk.cursor() as cursor, closing(sqlite3.connect(on_disk.settings_dict["NAME"], timeout=0)) as other:
        cursor.execute("CREATE TABLE t AS SELECT 1 AS value")
        with one_moment():
            assert cursor.execute("SELECT value FROM t").fetchone() == (1,)
            with other:
                other.execute("UPDATE t SET value = 2")
            assert cursor.execute("SELECT value FROM t").fetchone() == (1,)
        assert cursor.execute("SELECT value FROM t").fetchone() == (2,)


@pytest.mark.postgresql
@pytest.mark.skipif("connection.vendor != 'postgresql'")
@pytest.mark.django_db(transaction=True)
def test_postgresql_reads_one_moment_and_lets_others_write(committed_shop):
    with one_moment():
        assert API.objects.get().path == "echo"
        in_another_connection(lambda: API.objects.update(path="later"))
        assert API.objects.get().path == "echo"
    assert API.objects.get().path == "later"


@pytest.mark.django_db(transaction=True)
def test_reading_leaves_no_transaction_behind_after_an_error(committed_shop):
    with pytest.raises(DatabaseError), one_moment(), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM no_such_table")
    with transaction.atomic():
        API.objects.update(path="x")


@pytest.mark.postgresql
@pytest.mark.skipif("connection.vendor != 'postgresql'")
@pytest.mark.django_db(transaction=True)
def test_postgresql_wakes_the_publisher(committed_shop, file, monkeypatch):
    publisher = Publisher(file)
    monkeypatch.setattr(publish, "POLL_SECONDS", 0.0)
    publisher._pause()
    in_another_connection(lambda: API.objects.update(path="x"))
    monkeypatch.setattr(publish, "POLL_SECONDS", 3600.0)
    publisher._pause()
    publisher._file.update()
    assert snapshot_file.read(file).apis[0].path == "x"
