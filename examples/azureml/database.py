"""Connections to the service's SQLite files."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

TIMEOUT_SECONDS = 20


@contextlib.contextmanager
def connect(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection for one task: rows by name, foreign keys, durable commits. Closed at the end.

    Statements outside a transaction commit at once; `BEGIN IMMEDIATE` and `with connection:` make one.
    """
    connection = sqlite3.connect(file, timeout=TIMEOUT_SECONDS, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # What is erased, a connection string for example, does not stay in free pages.
        connection.execute("PRAGMA secure_delete = ON")
        yield connection
    finally:
        connection.close()
