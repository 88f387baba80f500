"""Triggers that raise `gateway_revision.number` whenever the gateway's configuration changes.

They see every writer: the ORM, bulk updates, raw SQL. They are installed anew after each migrate,
because SQLite drops a table's triggers when a migration rebuilds it; the number is raised then too,
for what was written in between.
"""

from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from publisher.models import Revision
from publisher.watched import WATCHED, Watched

CHANNEL = "gateway_revision"

_RAISE = """\
INSERT INTO gateway_revision (id, number) VALUES (1, 1)
ON CONFLICT (id) DO UPDATE SET number = gateway_revision.number + 1"""


def install_after_migrate(using: str, **details: Any) -> None:
    """The receiver of post_migrate."""
    install(connections[using])


def install(connection: BaseDatabaseWrapper) -> None:
    """Install or replace all triggers. Does nothing before the tables are there."""
    tables = set(connection.introspection.table_names())
    if Revision._meta.db_table not in tables:
        return
    there = [watched for watched in WATCHED if watched.table in tables]
    statements = _postgresql(there) if connection.vendor == "postgresql" else _sqlite(there)
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        for statement in [*statements, _RAISE]:
            cursor.execute(statement)


def _changed(watched: Watched, differ: str) -> str:
    return " OR ".join(f'OLD."{column}" {differ} NEW."{column}"' for column in watched.columns)


def _sqlite(there: list[Watched]) -> list[str]:
    """One writer at a time: each row raises the number at once."""
    statements = []
    for watched in there:
        events = {"update": f"UPDATE ON {watched.table} WHEN {_changed(watched, 'IS NOT')}"}
        if not watched.only_updates:
            events |= {event: f"{event.upper()} ON {watched.table}" for event in ("insert", "delete")}
        for event, when in events.items():
            name = f"gateway_revision_{watched.table}_{event}"
            statements.append(f"DROP TRIGGER IF EXISTS {name}")
            statements.append(f"CREATE TRIGGER {name} AFTER {when} BEGIN {_RAISE}; END")
    return statements


def _postgresql(there: list[Watched]) -> list[str]:
    """Many writers: each transaction touches the one row once, as the last thing before it commits.

    A row lock that was taken earlier would make all writers of configuration wait for each other,
    and deadlock with the foreign keys, which are checked at commit too. So the first change in a
    transaction queues a deferred trigger; that queues itself once more, behind all that was
    deferred meanwhile; and only then the number is raised and the publishers are told.
    """
    statements = [
        "CREATE UNLOGGED TABLE IF NOT EXISTS gateway_revision_pending ("
        " transaction_id bigint NOT NULL DEFAULT txid_current(), is_last boolean NOT NULL)",
        """
CREATE OR REPLACE FUNCTION gateway_configuration_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('gateway.revision_pending', true) IS DISTINCT FROM 'yes' THEN
        PERFORM set_config('gateway.revision_pending', 'yes', true);
        INSERT INTO gateway_revision_pending (is_last) VALUES (false);
    END IF;
    RETURN NULL;
END $$""",
        f"""
CREATE OR REPLACE FUNCTION gateway_revision_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT NEW.is_last THEN
        INSERT INTO gateway_revision_pending (is_last) VALUES (true);
    ELSE
        DELETE FROM gateway_revision_pending WHERE transaction_id = txid_current();
        {_RAISE};
        PERFORM pg_notify('{CHANNEL}', '');
    END IF;
    RETURN NULL;
END $$""",  # noqa: S608  # Made of constants.
        "DROP TRIGGER IF EXISTS gateway_revision_at_commit ON gateway_revision_pending",
        "CREATE CONSTRAINT TRIGGER gateway_revision_at_commit AFTER INSERT ON gateway_revision_pending"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION gateway_revision_at_commit()",
    ]
    for watched in there:
        events = {"update": f"UPDATE ON {watched.table} FOR EACH ROW WHEN ({_changed(watched, 'IS DISTINCT FROM')})"}
        if not watched.only_updates:
            events["rows"] = f"INSERT OR DELETE ON {watched.table} FOR EACH ROW"
            events["truncate"] = f"TRUNCATE ON {watched.table} FOR EACH STATEMENT"
        statements += [
            f"CREATE OR REPLACE TRIGGER gateway_revision_{event} AFTER {when}"
            " EXECUTE FUNCTION gateway_configuration_changed()"
            for event, when in events.items()
        ]
    return statements
