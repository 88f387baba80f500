"""Triggers by which entries stay as they were written, also for who gets past the pages.

The pruning of old ones alone gets past them: PostgreSQL is told so by a setting of the transaction; SQLite has none, so
there one transaction takes the trigger away and puts it back. Installed anew after each migrate, because SQLite drops a
table's triggers when it rebuilds the table.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from audit.models import Entry

_TABLE = Entry._meta.db_table
_POSTGRESQL = f"""
CREATE OR REPLACE FUNCTION audit_entry_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('audit.pruning', true) = 'yes' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'Entries of the audit log stay as they are.' USING ERRCODE = 'restrict_violation';
END $$;
DROP TRIGGER IF EXISTS audit_entry_stays ON {_TABLE};
CREATE TRIGGER audit_entry_stays BEFORE UPDATE OR DELETE ON {_TABLE}
    FOR EACH ROW EXECUTE FUNCTION audit_entry_stays();
"""
_SQLITE = [
    f"""
    CREATE TRIGGER IF NOT EXISTS audit_entry_stays{suffix} BEFORE {act} ON {_TABLE}
    BEGIN SELECT RAISE(ABORT, 'Entries of the audit log stay as they are.'); END
    """
    for suffix, act in (("", "UPDATE"), ("_there", "DELETE"))
]


def protect_after_migrate(using: str, **details: Any) -> None:
    """The receiver of post_migrate."""
    protect(connections[using])


def protect(connection: BaseDatabaseWrapper) -> None:
    if _TABLE in connection.introspection.table_names():
        with connection.cursor() as cursor:
            for statement in [_POSTGRESQL] if connection.vendor == "postgresql" else _SQLITE:
                cursor.execute(statement)


@contextmanager
def pruning() -> Iterator[None]:
    """A transaction in which entries can be deleted."""
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT set_config('audit.pruning', 'yes', true)")
            yield
        else:
            cursor.execute("DROP TRIGGER IF EXISTS audit_entry_stays_there")
            yield
            protect(connection)
