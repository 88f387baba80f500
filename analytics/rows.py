"""Rows of many records at once, in statements that several workers can run side by side.

SQL, because the ORM prepares each value of each call by itself, which makes the whole ingest three
times as slow, and has no update that keeps the greater of two rows. Rows that are updated go in the
order of their keys, so that two workers never wait for each other in a circle.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from analytics.records import CALL_FIELDS, Counts, FirstCall, KeyUse, QuotaStand

_COLUMNS = ", ".join(CALL_FIELDS)
_COPY_CALLS = f"COPY analytics_call ({_COLUMNS}) FROM STDIN"
_INSERT_CALL = f"INSERT INTO analytics_call ({_COLUMNS}) VALUES ({', '.join(['%s'] * len(CALL_FIELDS))})"  # noqa: S608
# Of those who insert calls, shared, and of who must know that no key will be filled in below the last one.
_CALLS_LOCK = int.from_bytes(b"calls")
_ADD_QUARTER = """
    INSERT INTO analytics_subscriptionquarter AS kept (subscription_id, quarter, calls, refused, bytes)
    VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (subscription_id, quarter)
    DO UPDATE SET calls = kept.calls + excluded.calls, refused = kept.refused + excluded.refused,
        bytes = kept.bytes + excluded.bytes
"""
_RAISE_QUOTA = """
    INSERT INTO analytics_quotause AS kept (subscription_id, product_id, period_start, calls, bytes)
    VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (subscription_id)
    DO UPDATE SET product_id = excluded.product_id, period_start = excluded.period_start, calls = excluded.calls,
        bytes = excluded.bytes
    WHERE (excluded.period_start, excluded.calls, excluded.bytes) > (kept.period_start, kept.calls, kept.bytes)
"""
_RAISE_INNER_QUOTA = """
    INSERT INTO analytics_innerquotause AS kept
        (subscription_id, api_id, operation_id, product_id, period_start, calls, bytes)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (subscription_id, api_id, operation_id)
    DO UPDATE SET product_id = excluded.product_id, period_start = excluded.period_start, calls = excluded.calls,
        bytes = excluded.bytes
    WHERE (excluded.period_start, excluded.calls, excluded.bytes) > (kept.period_start, kept.calls, kept.bytes)
"""
_NOTE_FIRST_CALL = """
    INSERT INTO analytics_firstcall AS kept (subscription_id, called_at, succeeded_at)
    VALUES (%s, %s, %s)
    ON CONFLICT (subscription_id)
    DO UPDATE SET
        called_at = CASE WHEN excluded.called_at < kept.called_at THEN excluded.called_at ELSE kept.called_at END,
        succeeded_at = CASE
            WHEN kept.succeeded_at IS NULL OR excluded.succeeded_at < kept.succeeded_at THEN excluded.succeeded_at
            ELSE kept.succeeded_at
        END
    WHERE excluded.called_at < kept.called_at OR excluded.succeeded_at < kept.succeeded_at
        OR (kept.succeeded_at IS NULL AND excluded.succeeded_at IS NOT NULL)
"""
# So many rows are five times as cheap by way of a temporary table, which costs the catalogue a few rows itself.
_WORTH_A_COPY = 500
_NOTE_KEY_USE = """
    UPDATE subscriptions_subscriptionkey SET last_used_at = %s, last_used_from = %s
    WHERE subscription_id = %s AND substr(digest, 1, 16) = %s AND (last_used_at IS NULL OR last_used_at < %s)
"""


def insert_calls(calls: Iterable[tuple[Any, ...]]) -> None:
    """New rows with the values of CALL_FIELDS."""
    if connection.vendor == "postgresql":
        # Django does not wrap what COPY raises.
        with connection.wrap_database_errors, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_CALLS_LOCK])
            with cursor.copy(_COPY_CALLS) as copy:
                for call in calls:
                    copy.write_row(call)
    else:
        _execute(_INSERT_CALL, calls)


def wait_for_calls_under_way() -> None:
    """Until the end of this transaction no calls are being inserted, so that none will appear before the last one."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CALLS_LOCK])


def add_quarters(quarters: Mapping[tuple[UUID, datetime], Counts]) -> None:
    counted = ((key, quarters[key]) for key in sorted(quarters))
    _execute(_ADD_QUARTER, ((*key, counts.calls, counts.refused, counts.bytes) for key, counts in counted))


def put_rollups(table: str, fields: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Rows with the values of `at`, `kind_id` and the fields, each in place of the one that was there."""
    put = list(rows)
    columns = ", ".join(["at", "kind_id", *fields])
    changes = ", ".join(f"{field} = excluded.{field}" for field in fields)
    insert = f"INSERT INTO {table} ({columns})"
    replace = f"ON CONFLICT (kind_id, at) DO UPDATE SET {changes}"
    if connection.vendor == "postgresql" and len(put) >= _WORTH_A_COPY:
        with connection.wrap_database_errors, connection.cursor() as cursor:
            cursor.execute(f"CREATE TEMPORARY TABLE put ON COMMIT DROP AS SELECT {columns} FROM {table} LIMIT 0")  # noqa: S608
            with cursor.copy(f"COPY put ({columns}) FROM STDIN") as copy:
                for row in put:
                    copy.write_row(row)
            cursor.execute(f"{insert} SELECT {columns} FROM put {replace}")  # noqa: S608
            cursor.execute("DROP TABLE put")
    else:
        _execute(f"{insert} VALUES ({', '.join(['%s'] * (2 + len(fields)))}) {replace}", put)


def raise_quotas(quotas: Mapping[UUID, QuotaStand]) -> None:
    """Keep the latest stand of each subscription, in whatever order they come."""
    stands = ((subscription, quotas[subscription]) for subscription in sorted(quotas))
    _execute(_RAISE_QUOTA, ((subscription, s.product, s.period_start, s.calls, s.bytes) for subscription, s in stands))


def raise_inner_quotas(quotas: Mapping[tuple[UUID, int, int], QuotaStand]) -> None:
    """The same by subscription, API and operation."""
    stands = ((quota, quotas[quota]) for quota in sorted(quotas))
    _execute(_RAISE_INNER_QUOTA, ((*quota, s.product, s.period_start, s.calls, s.bytes) for quota, s in stands))


def note_first_calls(first_calls: Mapping[UUID, FirstCall]) -> None:
    """Keep the earliest of each subscription, in whatever order they come. Most batches change nothing."""
    earliest = ((subscription, first_calls[subscription]) for subscription in sorted(first_calls))
    _execute(_NOTE_FIRST_CALL, ((subscription, one.called_at, one.succeeded_at) for subscription, one in earliest))


def note_key_uses(uses: Mapping[tuple[UUID, str], KeyUse]) -> None:
    """Keep the last use of each key. Keys that are gone are left out."""
    _execute(_NOTE_KEY_USE, ((uses[key].at, uses[key].address, *key, uses[key].at) for key in sorted(uses)))


def _execute(sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
    if connection.vendor == "sqlite":
        rows = map(_for_sqlite, rows)
    with connection.cursor() as cursor:
        cursor.executemany(sql, list(rows))


def _for_sqlite(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Values as Django's fields keep them in SQLite, which takes a third of the time in this form; times are in UTC."""
    return tuple(
        [
            value.hex
            if (kind := type(value)) is UUID
            else str(value.replace(tzinfo=None))
            if kind is datetime
            else value
            for value in row
        ]
    )
