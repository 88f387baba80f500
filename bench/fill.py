"""A database with months of usage: `DATABASE_URL=… DATA_DIR=… python -m bench.fill 10000000 [--days 32] [--calls 32]`.

Makes the tables, a catalogue (20 APIs of 5 operations, 4 products, 1000 subscriptions of 500 people), and
some days of `bench.usage_data` up to the end of tomorrow, so that pages find something in the present hour
for a while. The product's own code writes the roll-ups; SQL repeats these days for the time before. Single
calls are those of the last days only, and their sums are those of the roll-ups. The last API is deprecated, and
each of its operations: with `--crowd 30000` so many more subscriptions call it once a day. The administrator is
admin@example.org.
"""

import heapq
import os
import random
import time
import uuid
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

import django
from django.core.management import call_command

from bench.usage_data import Caller, Group, crowd, groups, last_midnight

if TYPE_CHECKING:
    from django.db.models import Model

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

ADMINISTRATOR = "admin@example.org"
COUNTRIES = ("DE", "US", "FR", "GB", "NL", "PL", "HU", "AT", "IN", "BR", "JP", "AU")
APIS, OPERATIONS, PRODUCTS, SUBSCRIPTIONS = 20, 5, 4, 1000


def main() -> None:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("a_month", type=int, help="calls in 30 days")
    parser.add_argument("--days", type=int, default=32, help="of roll-ups, tomorrow included")
    parser.add_argument("--calls", type=int, default=32, help="days of single calls, none fewer than drawn but 0")
    parser.add_argument("--drawn", type=int, default=7, help="days that are drawn, and not repeated")
    parser.add_argument("--crowd", type=int, default=0, help="subscriptions that call what is deprecated once a day")
    arguments = parser.parse_args()
    django.setup()
    call_command("migrate", verbosity=0)
    operations, callers = make_catalogue(SUBSCRIPTIONS + arguments.crowd)
    end = last_midnight(datetime.now(UTC)) + timedelta(days=2)
    make_partitions(end, days=arguments.calls)
    start = end - timedelta(days=arguments.drawn)
    usual = groups(
        a_month=arguments.a_month, start=start, end=end, callers=callers[:SUBSCRIPTIONS], operations=operations
    )
    others = crowd(start=start, end=end, callers=callers[SUBSCRIPTIONS:], operations=operations[-OPERATIONS:])
    drawn = heapq.merge(usual, others, key=lambda group: group.quarter)
    store(drawn, with_calls=bool(arguments.calls))
    repeat(end, arguments.drawn, days=arguments.days, days_of_calls=arguments.calls)
    analyze()


def make_catalogue(count: int) -> tuple[list[tuple[int, int]], list[Caller]]:
    """Operations with their APIs, and so many subscriptions with owner and product."""
    from accounts.models import User
    from apis.models import API, Operation
    from service.setup import create_service
    from subscriptions.models import Product, Subscription

    create_service(name="bench", organization_name="Bench", administrator_email=ADMINISTRATOR)
    apis = [
        API.objects.create(
            name=f"api-{number}", display_name=f"API {number}", path=f"api-{number}", service_url="https://example.org"
        )
        for number in range(1, APIS + 1)
    ]
    operations = [
        Operation.objects.create(
            api=api, name=f"things-{number}", display_name=f"Things {number}", method="POST", url_template=f"/t{number}"
        )
        for api in apis
        for number in range(1, OPERATIONS + 1)
    ]
    now = datetime.now(UTC)
    API.objects.filter(pk=apis[-1].pk).update(deprecated_at=now, sunset_at=now + timedelta(days=60))
    Operation.objects.filter(api=apis[-1]).update(deprecated_at=now)
    products = [
        Product.objects.create(name=f"p-{number}", display_name=f"Product {number}", state=Product.State.PUBLISHED)
        for number in range(1, PRODUCTS + 1)
    ]
    for product in products:
        product.apis.set(apis)
    people = User.objects.bulk_create(
        User(email=f"person{number}@example.org", first_name=f"First{number}", last_name=f"Last{number}")
        for number in range(count // 2)
    )
    subscriptions = Subscription.objects.bulk_create(
        Subscription(
            pk=uuid.UUID(int=number + 1, version=4),
            display_name=f"Subscription {number}",
            owner=people[number // 2],
            product=products[number % PRODUCTS],
        )
        for number in range(count)
    )
    callers = [
        Caller(one.pk, one.owner_id, one.product_id, COUNTRIES[number % 97 % len(COUNTRIES)])
        for number, one in enumerate(subscriptions)
    ]
    return [(operation.api_id, operation.pk) for operation in operations], callers


def make_partitions(end: datetime, *, days: int) -> None:
    """Of the days of single calls, as a database has them that has been up for so long."""
    from analytics import partitions

    if partitions.are_used():
        partitions.drop_before(end.date())
        for number in range(1, days + 1):
            partitions.make((end - timedelta(days=number)).date())


def store(drawn: Iterable[Group], *, with_calls: bool) -> None:
    """Straight into the tables, as ingest and worker would."""
    from django.db import transaction

    began, stored, draw = time.perf_counter(), 0, random.Random(2)
    for day, some in groupby(drawn, key=lambda group: last_midnight(group.quarter)):
        with transaction.atomic():
            stored += _store(list(some), draw, with_calls=with_calls)
        print(f"{day:%Y-%m-%d}: {stored:,} calls in {time.perf_counter() - began:,.0f} s", flush=True)


def _store(some: list[Group], draw: random.Random, *, with_calls: bool) -> int:
    from analytics import records, rollups, rows, sums

    lines: defaultdict[tuple[int, sums.Kind], sums.Sums] = defaultdict(sums.Sums)
    quarters: defaultdict[tuple[uuid.UUID, datetime], records.Counts] = defaultdict(records.Counts)
    for group in some:
        caller, first = group.caller, group.drawn[0]
        subscription = caller.subscription.bytes if caller.subscription is not None else sums.NOBODY
        kind = subscription, first.api or 0, first.operation or 0, caller.product or 0, caller.user or 0, caller.country
        line = sums.Sums.of(group.briefs)
        lines[int(group.quarter.timestamp()) // records.QUARTER_SECONDS, kind].add(line)
        if caller.subscription is not None:
            counts = quarters[caller.subscription, group.quarter]
            counts.calls += len(group.drawn) - line.limited
            counts.refused += line.limited
            counts.bytes += line.request_bytes + line.response_bytes
    rollups.add(lines)
    rows.add_quarters(quarters)
    if with_calls:
        rows.insert_calls(
            records.call(record, "bench", group.caller.country, str, lambda headers: headers)
            for group in some
            for record in group.records(draw)
        )
    return sum(len(group.drawn) for group in some)


def repeat(end: datetime, drawn: int, *, days: int, days_of_calls: int) -> None:
    """The days that are drawn, before themselves, until there are so many."""
    from analytics.models import Call, SubscriptionQuarter
    from analytics.rollups import GRAINS

    for grain in GRAINS:
        _repeat(grain.model, "at", end, drawn, days)
    _repeat(SubscriptionQuarter, "quarter", end, drawn, days)
    _repeat(Call, "at", end, drawn, days_of_calls)


def _repeat(model: "type[Model]", moment: str, end: datetime, drawn: int, days: int) -> None:
    from django.db import connection

    is_postgresql = connection.vendor == "postgresql"
    table = model._meta.db_table
    columns = [field.column for field in model._meta.concrete_fields if not field.primary_key]
    identity = "gen_random_uuid()" if is_postgresql else "lower(hex(randomblob(16)))"
    for back in range(drawn, days, drawn):
        earlier = (
            f"{moment} - interval '{back} days'"
            if is_postgresql
            else f"datetime(substr({moment}, 1, 19), '-{back} days') || substr({moment}, 20)"
        )
        values = {column: column for column in columns} | {moment: earlier}
        if "request_id" in values:
            values["request_id"] = identity
        first = end - timedelta(days=min(drawn, days - back))
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values.values())} FROM {table}"
                f" WHERE {moment} >= %s",
                [first if is_postgresql else connection.ops.adapt_datetimefield_value(first)],
            )
    print(f"{table}: {model._default_manager.count():,} rows", flush=True)


def analyze() -> None:
    """So that plans are those of a database that has been up for a while."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


if __name__ == "__main__":
    main()
