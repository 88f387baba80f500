"""Roll-ups say what the calls themselves say, each call once."""

import importlib
import random
import threading
import uuid
from collections import Counter
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import F, Sum
from django.test.utils import CaptureQueriesContext

from analytics import finished_parts, latency, rollups, sums
from analytics.ingest import ingest
from analytics.models import (
    APIDay,
    APIQuarter,
    Call,
    CallKind,
    CountryDay,
    OperationDay,
    OperationQuarter,
    PendingCalls,
    ProductDay,
    SubscriptionDay,
    TotalDay,
    TotalQuarter,
    UsageDay,
    UsageQuarter,
)
from gateway.journal.parts import parts
from tests.analytics.conftest import NOON, record

pytestmark = pytest.mark.django_db
TABLES = tuple(grain.model for grain in rollups.GRAINS)
FILLED = (OperationQuarter, TotalQuarter, OperationDay, APIDay, ProductDay, CountryDay, TotalDay, SubscriptionDay)
CALLS = F("success") + F("blocked") + F("failed") + F("other")


def calls_in(table) -> int:
    return table.objects.aggregate(calls=Sum(CALLS, default=0))["calls"]


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        pytest.param("success", [101, 200, 204, 300, 301, 304, 307], id="successful"),
        pytest.param("blocked", [401, 403, 429], id="blocked"),
        pytest.param("failed", [400, 500, 502, 504, 599], id="failed"),
        pytest.param("other", [0, 302, 303, 308, 404, 405, 409, 418, 499, 600, 999], id="other"),
    ],
)
def test_classes_are_azure_s(write, tmp_path, name, codes):
    write(*(record(number, response_code=code) for number, code in enumerate(codes)))
    ingest(tmp_path)
    rollups.settle()
    for table in TABLES:
        row = table.objects.values("success", "blocked", "failed", "other").get()
        assert {key: count for key, count in row.items() if count} == {name: len(codes)}


def test_random_calls_sum_up_to_what_they_are(write, tmp_path):
    draw = random.Random(7)
    calls = [
        record(
            draw.randrange(3 * 24 * 3600),
            api=draw.choice([1, 2, None]),
            subscription=draw.choice([uuid.UUID(int=1).bytes, uuid.UUID(int=2).bytes, None]),
            total_seconds=draw.lognormvariate(-3, 1),
            backend_seconds=draw.choice([None, draw.lognormvariate(-3, 1)]),
            response_bytes=draw.randrange(10_000),
        )
        for _ in range(500)
    ]
    for start in range(0, 500, 100):
        write(*calls[start : start + 100])
        ingest(tmp_path)
        rollups.settle()
    exact = [int(call.total_seconds * 1e6) for call in calls]
    backend = [int(call.backend_seconds * 1e6) for call in calls if call.backend_seconds is not None]
    for table in TABLES:
        rows = list(table.objects.all())
        assert calls_in(table) == 500
        assert sum(row.total_sum for row in rows) == sum(exact)
        assert (min(row.total_min for row in rows), max(row.total_max for row in rows)) == (min(exact), max(exact))
        assert sum(row.backend_calls for row in rows) == len(backend)
        assert sum(row.backend_sum for row in rows) == sum(backend)
        assert sum(row.response_bytes for row in rows) == sum(call.response_bytes for call in calls)
        median = latency.quantile(latency.decode(row.total_histogram for row in rows), 0.5)
        assert median == pytest.approx(sorted(exact)[249], rel=0.021)


def test_a_quarter_is_added_to_over_many_runs_and_late_calls_reach_theirs(write, tmp_path):
    for number in (0, 900, 1, 10 * 24 * 3600, 2):
        write(record(number))
        ingest(tmp_path)
        rollups.settle()
    assert list(UsageQuarter.objects.order_by("at").values_list("success", flat=True)) == [3, 1, 1]
    assert list(UsageDay.objects.order_by("at").values_list("success", flat=True)) == [4, 1]
    assert CallKind.objects.count() == 6, "what tells all apart, subscriptions, operations, APIs, products, and nothing"


def test_a_crash_while_calls_are_added_neither_loses_nor_doubles(write, tmp_path, monkeypatch):
    write(record(1), record(2))
    ingest(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(rollups, "_add", None)
        with pytest.raises(TypeError):
            rollups.settle()
    assert (PendingCalls.objects.count(), CallKind.objects.count()) == (1, 0)
    assert [rollups.settle(), rollups.settle()] == [1, 0]
    assert {calls_in(table) for table in TABLES} == {2}


def test_one_run_is_bounded_and_the_next_goes_on(write, tmp_path):
    for number in range(5):
        write(record(number))
        ingest(tmp_path)
    assert [rollups.settle(batches=2) for _ in range(4)] == [2, 2, 1, 0]
    assert calls_in(UsageQuarter) == 5


def test_large_sizes_do_not_stop_the_sums(write, tmp_path):
    write(*(record(number, request_bytes=2**62, subscription=uuid.UUID(int=number).bytes) for number in range(3)))
    ingest(tmp_path)
    rollups.settle()
    assert APIQuarter.objects.get().request_bytes == sums.MOST


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer")
def test_workers_that_race_add_each_call_once(write, tmp_path):
    for number in range(12):
        write(record(number))
        ingest(tmp_path)
    start, failures = threading.Barrier(3), []

    def work():
        try:
            start.wait()
            while rollups.settle(batches=2):
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
    while rollups.settle():
        pass
    assert failures == []
    assert {calls_in(table) for table in TABLES} == {12}


def test_old_sums_go_after_their_days(write, tmp_path):
    write(record(0), record(40 * 24 * 3600))
    ingest(tmp_path)
    rollups.settle()
    assert rollups.prune(NOON + timedelta(days=40), days=30) == len(TABLES)
    assert {calls_in(table) for table in TABLES} == {1}


def test_sums_of_many_days_go_day_by_day(write, tmp_path):
    write(*(record(number, at=NOON.timestamp() + number * 6 * 3600) for number in range(12)))
    ingest(tmp_path)
    rollups.settle()
    with CaptureQueriesContext(connection) as captured:
        assert rollups.prune(NOON + timedelta(days=100), days=30) > 0
    assert not any(table.objects.exists() for table in TABLES)
    assert sum(query["sql"].startswith("DELETE") for query in captured) >= 3 * len(TABLES)


def test_sums_by_operation_api_product_subscription_and_of_all_are_filled_from_the_finer_ones(write, tmp_path):
    draw = random.Random(5)
    write(*(random_record(draw) for _ in range(200)))
    ingest(tmp_path)
    rollups.settle()
    expected = {table: rows_of(table) for table in TABLES}
    for table in FILLED:
        table.objects.all().delete()
    for migration in ("0013_fill_totals", "0018_fill_sums_of_subscriptions_by_day"):
        importlib.import_module(f"analytics.migrations.{migration}").fill(apps, None)
    assert {table: rows_of(table) for table in TABLES} == expected


def random_record(draw: random.Random):
    return record(
        draw.randrange(2 * 24 * 3600),
        api=draw.choice([1, 2, None]),
        operation=draw.choice([3, 4, None]),
        product=draw.choice([5, 6, None]),
        subscription=uuid.UUID(int=draw.randrange(1, 4)).bytes,
        user=draw.choice([7, 8, None]),
        total_seconds=draw.lognormvariate(-3, 1),
        backend_seconds=draw.choice([None, draw.lognormvariate(-3, 1)]),
    )


def rows_of(table) -> list[tuple]:
    return list(table.objects.order_by("at", "kind").values_list("at", "kind", *rollups.SUM_FIELDS))


def test_a_clock_that_steps_changes_where_calls_count_and_never_whether(write, tmp_path):
    day = 24 * 3600
    steps = [0, 1, -day, 2, 3600, -3600, 400 * day, 3, -40 * 365 * day, 4, 30 * day, -1, 5]
    calls = [record(number, at=NOON.timestamp() + step) for number, step in enumerate(steps)]
    for start in range(0, len(calls), 4):
        write(*calls[start : start + 4], name="a")
        write(*reversed(calls[start : start + 4]), name="b")
        ingest(tmp_path)
        rollups.settle()
    quarters = Counter(int(call.at // 900) * 900 for call in calls for _ in "ab")
    stored = UsageQuarter.objects.values_list("at", "success")
    assert {int(at.timestamp()): count for at, count in stored} == quarters
    assert [calls_in(table) for table in TABLES] == [2 * len(steps)] * len(TABLES)
    assert Call.objects.count() == 2 * len(steps)
    assert {at.timestamp() for at in Call.objects.values_list("at", flat=True)} == {call.at for call in calls}


def test_parts_that_come_back_are_not_counted_again(write, tmp_path):
    """As from a backup of the gateway's disk."""
    write(record(1), record(2))
    (part,) = parts(tmp_path)
    content = part.file.read_bytes()
    ingest(tmp_path)
    finished_parts.retire(tmp_path)
    assert parts(tmp_path) == []
    part.file.write_bytes(content)
    assert ingest(tmp_path) == 0
    rollups.settle()
    assert [calls_in(table) for table in TABLES] == [2] * len(TABLES)
