"""On PostgreSQL each day's calls are in a partition of their own, and nobody who reads or stores calls has to know."""

import importlib
import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection

from analytics import calls, partitions
from analytics import ingest as ingesting
from analytics.ingest import ingest
from analytics.models import Call, PendingCalls
from analytics.tasks import make_partitions
from tests.analytics.conftest import record

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no partitions"),
]
DAY = 24 * 3600
# In the middle of a day, so that no test runs over midnight.
TODAY = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)


def aged(days: float, number: int = 1, **fields):
    return record(number, at=TODAY.timestamp() - days * DAY, **fields)


def make_call(at: datetime, number: int) -> Call:
    sizes = {"total_ms": 1, "request_bytes": 1, "response_bytes": 1}
    return Call.objects.create(at=at, request_id=UUID(int=number), response_code=200, **sizes)


def places() -> dict[int, str]:
    """The partition of each call, by its number."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT request_id, tableoid::regclass::text FROM analytics_call")
        return {request_id.int: name for request_id, name in cursor.fetchall()}


def day(days: float) -> str:
    return f"analytics_call_{TODAY - timedelta(days=days):%Y%m%d}"


def test_calls_are_in_the_partition_of_their_day_whatever_the_clock_said(write, tmp_path):
    ages = {1: 0, 2: 1, 3: 29, 4: -7, 5: 31 + 1, 6: -8, 7: 365 * 40, 8: -365 * 1000}
    write(*(aged(age, number) for number, age in ages.items()))
    assert ingest(tmp_path) == len(ages)
    kept = {number: day(age) for number, age in ages.items() if -7 <= age <= 30}
    assert places() == kept | dict.fromkeys(ages.keys() - kept.keys(), partitions.OTHER)


def test_a_row_is_found_changed_and_deleted_like_any(write, tmp_path):
    write(aged(0, 1), aged(1, 2), aged(0.01, 3))
    ingest(tmp_path)
    newest = Call.objects.order_by("-at").first()
    assert newest.request_id.int == 1
    assert Call.objects.get(pk=newest.pk) == newest
    assert Call.objects.filter(pk=newest.pk).update(country="DE") == 1
    made = make_call(TODAY, 4)
    assert made.pk > newest.pk
    assert Call.objects.all().delete()[0] == 4


def test_days_are_made_ahead(settings):
    make_partitions()
    make_partitions()
    names = {one.name for one in partitions.existing()}
    assert {day(-ahead) for ahead in range(partitions.DAYS_AHEAD + 1)} <= names


def test_no_partition_is_made_where_no_calls_are_kept(write, tmp_path, settings):
    settings.RAW_CALL_DAYS = 0
    before = partitions.existing()
    write(aged(3))
    ingest(tmp_path)
    make_partitions()
    assert partitions.existing() == before


def test_old_days_are_dropped_whole_and_what_came_late_is_deleted(write, tmp_path):
    write(*(aged(age, number) for number, age in enumerate([0, 2, 3, 3, 4, 90])))
    ingest(tmp_path)
    assert calls.prune(TODAY, days=3) == 1, "the one in no partition of its day"
    assert set(places()) == {0, 1, 2, 3}
    assert day(4) not in {one.name for one in partitions.existing()}


def test_calls_that_were_stored_elsewhere_move_to_their_day(write, tmp_path, monkeypatch):
    write(aged(2, 1), aged(2, 2), aged(400, 3))
    with monkeypatch.context() as patch:
        patch.setattr(partitions, "make", lambda day: False)
        ingest(tmp_path)
    assert set(places().values()) == {partitions.OTHER}
    write(aged(2, 4))
    ingest(tmp_path)
    assert places() == {1: day(2), 2: day(2), 4: day(2), 3: partitions.OTHER}


@pytest.mark.django_db(transaction=True)
def test_who_reads_for_long_delays_a_partition_and_no_call(write, tmp_path, monkeypatch):
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT", "100ms")
    reads, may_end = threading.Event(), threading.Event()

    def read():
        with connection.cursor() as cursor:
            cursor.execute("BEGIN; SELECT count(*) FROM analytics_call")
            reads.set()
            may_end.wait()
            cursor.execute("COMMIT")
        connection.close()

    for name in [one.name for one in partitions.existing()]:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {name}")
    reader = threading.Thread(target=read)
    reader.start()
    reads.wait()
    write(aged(1, 1))
    try:
        assert ingest(tmp_path) == 1
        assert places() == {1: partitions.OTHER}
    finally:
        may_end.set()
        reader.join()
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT", "60s")
    write(aged(1, 2))
    ingest(tmp_path)
    assert places() == {1: day(1), 2: day(1)}


@pytest.mark.django_db(transaction=True)
def test_workers_that_race_make_each_day_once_and_store_each_call_once(write, tmp_path, monkeypatch):
    monkeypatch.setattr(ingesting, "BATCH_RECORDS", 7)
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT", "60s")
    for gateway in ("a", "b", "c"):
        write(*(aged(number % 20 - 3, number) for number in range(100)), name=gateway)
    start, failures = threading.Barrier(3), []

    def work():
        try:
            start.wait()
            while ingest(tmp_path, batches=3):
                pass
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    while ingest(tmp_path):
        pass
    assert failures == []
    assert Call.objects.count() == 300
    assert places() == {number: day(number % 20 - 3) for number in range(100)}
    assert PendingCalls.objects.count() >= 3


def test_a_table_with_calls_becomes_partitions_and_one_again(write, tmp_path):
    migration = importlib.import_module("analytics.migrations.0011_partition_calls_by_day")
    with connection.schema_editor() as editor:
        migration.unite(None, editor)
    for number, age in enumerate([0, 1, 40, -3, -400]):
        make_call(TODAY - timedelta(days=age), number)
    before = list(Call.objects.order_by("pk").values())
    with connection.schema_editor() as editor:
        migration.partition(None, editor)
    assert list(Call.objects.order_by("pk").values()) == before
    legacy = f"analytics_call_until_{datetime.now(UTC) + timedelta(days=1):%Y%m%d}"
    assert places() == {0: legacy, 1: legacy, 2: legacy, 3: partitions.OTHER, 4: partitions.OTHER}
    write(aged(1, 10), aged(-2, 11), aged(-3, 12))
    ingest(tmp_path)
    assert {10: legacy, 11: day(-2), 12: day(-3), 3: day(-3)}.items() <= places().items()
    assert Call.objects.get(request_id=UUID(int=12)).pk > max(row["id"] for row in before)
    assert calls.prune(TODAY, days=30) == 1
    calls.prune(TODAY + timedelta(days=32), days=30)
    assert legacy not in places().values()
    assert {one.name for one in partitions.existing()}.isdisjoint({legacy})
