"""Reading several tables as they were at one moment, without keeping writers out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

from publisher.watched import Watched


def rows(source: Watched) -> Any:
    """Primary key and the watched fields of all rows, in the order of the keys."""
    return source.model._default_manager.order_by("pk").values_list("pk", *source.fields).iterator(chunk_size=5000)


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
