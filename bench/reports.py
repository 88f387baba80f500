"""How fast reports are: `DATABASE_URL=… DATA_DIR=… python -m bench.reports [part of a report's name]`.

On a database that `bench.fill` has filled. Prints the sizes of its tables, and of each report the median
time of five and the processor time of this process; with `--explain` the plan of each of its queries too.
"""

import os
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from statistics import median
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import django

from bench.usage_data import last_midnight

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

ROUNDS = 5


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="?", default="", help="reports with this in their name")
    parser.add_argument("--explain", action="store_true", help="print the plans of their queries")
    arguments = parser.parse_args()
    django.setup()
    print_sizes()
    print("| Report | ms | of this process |\n| --- | --- | --- |")
    for name, report in reports(last_midnight(datetime.now(UTC))).items():
        if arguments.only in name:
            print_time(name, report)
            if arguments.explain:
                explain(report)


def print_sizes() -> None:
    """Of every table of usage, and of its indexes."""
    from django.apps import apps
    from django.db.models import F, Sum

    from analytics.models import TotalDay

    count = F("success") + F("blocked") + F("failed") + F("other")
    calls = TotalDay.objects.aggregate(calls=Sum(count))["calls"]
    print(f"{calls:,} calls in {TotalDay.objects.count()} days\n")
    print("| Table | rows | MB | of indexes | bytes a row |\n| --- | --- | --- | --- | --- |")
    for model in apps.get_app_config("analytics").get_models():
        rows = model._default_manager.count()
        if rows:
            whole, of_indexes = _bytes(model._meta.db_table)
            print(
                f"| {model.__name__} | {rows:,} | {whole / 1e6:,.1f} | {of_indexes / 1e6:,.1f} | {whole / rows:,.0f} |"
            )
    print()


def _bytes(table: str) -> tuple[int, int]:
    """With its partitions, and those of its indexes."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT sum(pg_total_relation_size(relid)), sum(pg_indexes_size(relid))"
                " FROM (SELECT relid FROM pg_partition_tree(%s) UNION SELECT %s::regclass) AS tables",
                [table, table],
            )
        else:
            cursor.execute(
                # Not `pgsize`, which is cut to 32 bits. `pageno` is the number of pages here.
                "SELECT sum(pageno) * page_size, sum(CASE WHEN name <> %s THEN pageno ELSE 0 END) * page_size"
                " FROM dbstat, pragma_page_size WHERE aggregate = TRUE"
                " AND name IN (SELECT name FROM sqlite_schema WHERE tbl_name = %s)",
                [table, table],
            )
        whole, of_indexes = cursor.fetchone()
    return int(whole or 0), int(of_indexes or 0)


def reports(end: datetime) -> dict[str, Callable[[], object]]:
    from django.db.models import Q

    from analytics.periods import Step, buckets, last_days
    from analytics.reports import azure
    from analytics.reports.azure import Query
    from analytics.reports.breakdown import breakdown
    from analytics.reports.totals import Selection, by_bucket, latencies, percentiles, totals
    from apis.models import Operation

    zone = ZoneInfo("Asia/Kolkata")
    period = last_days(end, zone, days=30)
    month = f"timestamp ge {period.start.isoformat()} and timestamp lt {period.end.isoformat()}"
    mine = UUID(int=5, version=4)
    operation, api = Operation.objects.order_by("pk").values_list("pk", "api_id")[0]
    quarter = last_days(end, zone, days=90)
    quarter_days = buckets(quarter, Step.DAY, zone)
    everything, one_api = Selection(period), Selection(period, Q(api_id=api), frozenset({"api_id"}))
    one = Selection(period, Q(subscription_id=mine), frozenset({"subscription_id"}))
    one_operation = Selection(period, Q(operation_id=operation), frozenset({"operation_id"}))
    days, hours = buckets(period, Step.DAY, zone), buckets(period, Step.HOUR, zone)
    return {
        "byApi": lambda: azure.by_api(Query(month)),
        "byOperation": lambda: azure.by_operation(Query(month)),
        "byProduct": lambda: azure.by_product(Query(month)),
        "bySubscription": lambda: azure.by_subscription(Query(month)),
        "byUser": lambda: azure.by_user(Query(month)),
        "byTime, PT1H": lambda: azure.by_time(Query(month), "PT1H"),
        "byTime of an API, P1D": lambda: azure.by_time(Query(f"{month} and apiId eq {api}"), "P1D"),
        "total": lambda: totals(everything),
        "days of the viewer": lambda: by_bucket(everything, days),
        "days of the viewer, 90 days": lambda: by_bucket(Selection(quarter), quarter_days),
        "times by day of the viewer": lambda: latencies(everything, days),
        "times by day of the viewer, 90 days": lambda: latencies(Selection(quarter), quarter_days),
        "breakdown by everything": lambda: breakdown(everything),
        "hours of one API": lambda: by_bucket(one_api, hours),
        "hours of one operation": lambda: by_bucket(one_operation, hours),
        "hours of one subscription": lambda: by_bucket(one, hours),
        "one subscription by operation": lambda: totals(one, ["operation_id"]),
        "percentiles of all": lambda: percentiles(everything),
        "percentiles by API": lambda: percentiles(everything, ["api_id"]),
        "percentiles by operation": lambda: percentiles(everything, ["operation_id"]),
        "byRequest": lambda: azure.by_request(Query(month)),
    }


def print_time(name: str, report: Callable[[], object]) -> None:
    whole, own = [], []
    for _ in range(ROUNDS):
        began, worked = time.perf_counter(), time.process_time()
        report()
        whole.append(time.perf_counter() - began)
        own.append(time.process_time() - worked)
    print(f"| {name} | {median(whole) * 1000:,.0f} | {median(own) * 1000:,.0f} |", flush=True)


def explain(report: Callable[[], object]) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    # What a server-side cursor reads is not captured.
    connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"] = True
    with CaptureQueriesContext(connection) as captured:
        report()
    for query in captured.captured_queries:
        if query["sql"].startswith("SELECT"):
            print_plan(query["sql"])


def print_plan(query: str) -> None:
    from django.db import connection

    words = "EXPLAIN (ANALYZE, BUFFERS)" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{words} {query}")
        plan: Iterable[Any] = cursor.fetchall()
    print(f"\n{query[:2000]}")
    for row in plan:
        print("   ", row[-1])


if __name__ == "__main__":
    main()
