"""Reading several tables as they were at one moment, without keeping writers out."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def one_moment() -> Iterator[None]:
    """All reads inside see the same committed state. Inside a transaction, that one is used."""
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "postgresql":
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield
    else:
        with _deferred_transaction():
            yield


@contextmanager
def _deferred_transaction() -> Iterator[None]:
    """SQLite's read transaction: `atomic` would begin an immediate one, which locks writers out."""
    with connection.cursor() as cursor:
        cursor.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")
