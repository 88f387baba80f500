"""Sums by operation, API, country, product and of all, from the finer sums that there are."""

from array import array
from itertools import groupby
from sys import byteorder
from uuid import UUID

from django.db import migrations

NOBODY = UUID(int=0)
MOST = 2**63 - 1
MOST_IN_A_PAIR = 2**16 - 1
SUMS = (
    "success", "blocked", "failed", "other", "limited", "request_bytes", "response_bytes", "cache_hits", "cache_misses",
    "total_sum", "backend_calls", "backend_sum",
)
LEAST, GREATEST = ("total_min", "backend_min"), ("total_max", "backend_max")
HISTOGRAMS = ("total_histogram", "backend_histogram")
OPERATION, COUNTRY, API, PRODUCT = ("api_id", "operation_id"), ("api_id", "country"), ("api_id",), ("product_id",)
FILLED = (
    ("UsageQuarter", "OperationQuarter", OPERATION),
    ("ProductQuarter", "TotalQuarter", ()),
    ("UsageDay", "OperationDay", OPERATION),
    ("OperationDay", "APIDay", API),
    ("UsageDay", "ProductDay", PRODUCT),
    ("ProductDay", "TotalDay", ()),
    ("CountryQuarter", "CountryDay", COUNTRY),
)


def merged(histograms):
    """Pairs of bucket and count, as analytics.latency has them."""
    pairs = swapped(array("H", b"".join(histograms)))
    buckets = {}
    for bucket, count in zip(pairs[::2], pairs[1::2]):
        buckets[bucket] = buckets.get(bucket, 0) + count
    pairs = array("H")
    for bucket in sorted(buckets):
        count = buckets[bucket]
        while count > 0:
            pairs.extend((bucket, min(count, MOST_IN_A_PAIR)))
            count -= MOST_IN_A_PAIR
    return swapped(pairs).tobytes()


def swapped(pairs):
    if byteorder == "big":
        pairs.byteswap()
    return pairs


def summed(rows):
    def values(name):
        return [row[name] for row in rows if row[name] is not None]

    sums = {name: min(sum(values(name)), MOST) for name in SUMS}
    least = {name: min(values(name), default=None) for name in LEAST}
    greatest = {name: max(values(name), default=None) for name in GREATEST}
    return sums | least | greatest | {name: merged(values(name)) for name in HISTOGRAMS}


def fill(apps, schema_editor):
    fill_tables(apps, FILLED)


def fill_tables(apps, filled):
    """`filled` are sources, targets and the fields that the target tells apart."""
    kinds = apps.get_model("analytics", "CallKind").objects
    ids = {}

    def kind_of(key):
        if key not in ids:
            ids[key] = kinds.get_or_create(**key_fields(key))[0].pk
        return ids[key]

    for source, target, fields in filled:
        names = [f"kind__{field}" for field in fields]
        rows = apps.get_model("analytics", source).objects.order_by("at").values("at", *names, *SUMS, *LEAST, *GREATEST, *HISTOGRAMS)
        model = apps.get_model("analytics", target)
        for at, of_one_time in groupby(rows.iterator(), key=lambda row: start_of(row["at"], target)):
            groups = {}
            for row in of_one_time:
                groups.setdefault(tuple((field, row[f"kind__{field}"]) for field in fields), []).append(row)
            model.objects.bulk_create(model(at=at, kind_id=kind_of(key), **summed(group)) for key, group in groups.items())


def start_of(at, target):
    return at.replace(hour=0, minute=0) if target.endswith("Day") else at


def key_fields(key):
    return {"api_id": 0, "operation_id": 0, "product_id": 0, "subscription_id": NOBODY, "user_id": 0, "country": ""} | dict(key)


class Migration(migrations.Migration):
    dependencies = [("analytics", "0012_totals_of_operations_apis_countries_and_all")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
