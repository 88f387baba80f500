"""How fast reports are over a busy month: `python -m bench.reports [calls]`.

Fills a new database (SQLite, or a test database beside the one of DATABASE_URL) with
`bench.usage_data`, without the rows of single calls unless `--calls` is given, and prints the
median time of each report and the size of the roll-ups; with `--explain` the plan of each query
of the slowest too.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from statistics import median
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

ROUNDS = 5
BATCH = 5000
BATCHES_AT_ONCE = 20


def main() -> None:
    numbers = [argument for argument in sys.argv[1:] if argument.isdigit()]
    with tempfile.TemporaryDirectory(prefix="bench-reports-") as folder:
        os.environ.update(SECRET_KEY="s" * 40, KEY_ENCRYPTION_KEY="k" * 40, DATA_DIR=folder)
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
        import django

        django.setup()
        measure(int(numbers[0]) if numbers else 1_000_000)


def measure(count: int) -> None:
    from django.db import connection

    from bench.usage_data import last_midnight, month

    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        end = last_midnight(datetime.now(UTC))
        began = time.perf_counter()
        stored = fill(month(count, end), with_calls="--calls" in sys.argv)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        print(f"{connection.vendor}: {stored:,} calls, filled in {time.perf_counter() - began:.0f} s")
        print_sizes(stored)
        slowest = max((timed(name, report), name, report) for name, report in reports(end).items())
        if "--explain" in sys.argv:
            explain(slowest[2])
    finally:
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)


def fill(records: Iterator[Any], *, with_calls: bool) -> int:
    """Straight into the tables, as ingest and worker would."""
    from django.db import transaction

    from analytics import rollups, rows, sums
    from analytics.records import call

    stored = 0
    while some := list(islice(records, BATCH * BATCHES_AT_ONCE)):
        with transaction.atomic():
            rollups.add(sums.of(map(sums.brief, some)))
            if with_calls:
                rows.insert_calls([call(record, "bench", str) for record in some])
        stored += len(some)
    return stored


def print_sizes(calls: int) -> None:
    from django.db import connection

    from analytics.rollups import GRAINS

    for grain in GRAINS:
        table, rows = grain.model._meta.db_table, grain.model.objects.count()
        size = ""
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_total_relation_size(%s)", [table])
                size = f", {cursor.fetchone()[0] / rows:.0f} bytes each with indexes"
        print(f"  {table}: {rows:,} rows, {rows / calls:.3f} for a call{size}")


def reports(end: datetime) -> dict[str, Callable[[], object]]:
    from django.db.models import Q

    from analytics.periods import Step, buckets, last_days
    from analytics.reports import azure
    from analytics.reports.azure import Query
    from analytics.reports.totals import Selection, by_bucket, percentiles, totals

    zone = ZoneInfo("Asia/Kolkata")
    period = last_days(end, zone, days=30)
    month = f"timestamp ge {period.start.isoformat()} and timestamp lt {period.end.isoformat()}"
    mine = UUID(int=5, version=4)
    everything, one_api = Selection(period), Selection(period, Q(api_id=1), frozenset({"api_id"}))
    one = Selection(period, Q(subscription_id=mine), frozenset({"subscription_id"}))
    operation = Selection(period, Q(operation_id=101), frozenset({"operation_id"}))
    days, hours = buckets(period, Step.DAY, zone), buckets(period, Step.HOUR, zone)
    return {
        "byApi": lambda: azure.by_api(Query(month)),
        "byOperation": lambda: azure.by_operation(Query(month)),
        "byProduct": lambda: azure.by_product(Query(month)),
        "bySubscription": lambda: azure.by_subscription(Query(month)),
        "byUser": lambda: azure.by_user(Query(month)),
        "byTime, PT1H": lambda: azure.by_time(Query(month), "PT1H"),
        "byTime of an API, P1D": lambda: azure.by_time(Query(f"{month} and apiId eq 1"), "P1D"),
        "total": lambda: totals(everything),
        "days of the viewer": lambda: by_bucket(everything, days),
        "hours of one API": lambda: by_bucket(one_api, hours),
        "hours of one operation": lambda: by_bucket(operation, hours),
        "hours of one subscription": lambda: by_bucket(one, hours),
        "one subscription by operation": lambda: totals(one, ["operation_id"]),
        "percentiles of all": lambda: percentiles(everything),
        "percentiles by API": lambda: percentiles(everything, ["api_id"]),
        "percentiles by operation": lambda: percentiles(everything, ["operation_id"]),
        "byRequest": lambda: azure.by_request(Query(month)),
    }


def timed(name: str, report: Callable[[], object]) -> float:
    def once() -> float:
        began = time.perf_counter()
        report()
        return time.perf_counter() - began

    seconds = median(once() for _ in range(ROUNDS))
    print(f"  {name}: {seconds * 1000:,.0f} ms")
    return seconds


def explain(report: Callable[[], object]) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    # What a server-side cursor reads is not captured.
    connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"] = True
    with CaptureQueriesContext(connection) as captured:
        report()
    words = "EXPLAIN (ANALYZE, BUFFERS)" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    for query in captured.captured_queries:
        if query["sql"].startswith("SELECT"):
            print_plan(f"{words} {query['sql']}")


def print_plan(statement: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement)
        plan: Iterable[Any] = cursor.fetchall()
    print(f"\n{statement[:2000]}")
    for row in plan:
        print("   ", row[-1])


if __name__ == "__main__":
    main()
