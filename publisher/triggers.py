"""Triggers that raise `gateway_revision.number` whenever the gateway's configuration changes.

They see every writer: the ORM, bulk updates, raw SQL. Which subscriptions a change concerns goes
into the log. They are removed before each migration, because no column can be dropped that one of
them names, and installed anew after it; then everything counts as changed, for what was written in
between.
"""

from collections.abc import Sequence
from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from publisher.models import Revision, SubscriptionChange
from publisher.watched import WATCHED, Watched

CHANNEL = "gateway_revision"
# Of a transaction that changes more subscriptions than this the log holds only a part.
LOGGED_PER_TRANSACTION = 1000

_REVISION = Revision._meta.db_table
_LOG = SubscriptionChange._meta.db_table


def remove_before_migrate(using: str, plan: Sequence[object] = (), **details: Any) -> None:
    """The receiver of pre_migrate. Leaves them where there is nothing to migrate."""
    if plan:
        remove(connections[using])


def remove(connection: BaseDatabaseWrapper) -> None:
    """Remove all triggers, for tables to be changed. Until `install`, changes go unseen."""
    tables = set(connection.introspection.table_names())
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        for watched in WATCHED:
            if watched.table not in tables:
                continue
            for event in ("update", "insert", "delete", "rows", "truncate"):
                if connection.vendor == "postgresql":
                    cursor.execute(f"DROP TRIGGER IF EXISTS gateway_revision_{event} ON {watched.table}")
                else:
                    cursor.execute(f"DROP TRIGGER IF EXISTS gateway_revision_{watched.table}_{event}")


def install_after_migrate(using: str, **details: Any) -> None:
    """The receiver of post_migrate."""
    install(connections[using])


def install(connection: BaseDatabaseWrapper) -> None:
    """Install or replace all triggers. Does nothing before the tables are there."""
    tables = set(connection.introspection.table_names())
    if not {_REVISION, _LOG} <= tables:
        return
    there = [(watched, _columns(connection, watched)) for watched in WATCHED if watched.table in tables]
    statements = _postgresql(there) if connection.vendor == "postgresql" else _sqlite(there)
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        for statement in [*statements, _raise("catalogue", "log_start")]:
            cursor.execute(statement)


def _raise(*others: str) -> str:
    """Raise the number, and set other columns to it."""
    values = ", ".join(f"{column} = {_REVISION}.number + 1" for column in ("number", *others))
    return (
        f"INSERT INTO {_REVISION} (id, number, catalogue, log_start) VALUES (1, 1, 1, 1)"  # noqa: S608  # Constants.
        f" ON CONFLICT (id) DO UPDATE SET {values}"
    )


def _columns(connection: BaseDatabaseWrapper, watched: Watched) -> list[str]:
    """The watched columns that are there: a schema that was taken back does not have the latest."""
    with connection.cursor() as cursor:
        there = {column.name for column in connection.introspection.get_table_description(cursor, watched.table)}
    return [column for column in watched.columns if column in there]


def _changed(columns: list[str], differ: str) -> str:
    return " OR ".join(f'OLD."{column}" {differ} NEW."{column}"' for column in columns)


# -- SQLite --------------------------------------------------------------------------------------


def _sqlite(there: list[tuple[Watched, list[str]]]) -> list[str]:
    """One writer at a time: each row raises the number at once."""
    statements = []
    for watched, columns in there:
        events = {"update": f"UPDATE ON {watched.table} WHEN {_changed(columns, 'IS NOT')}"}
        if not watched.only_updates:
            events |= {event: f"{event.upper()} ON {watched.table}" for event in ("insert", "delete")}
        for event, when in events.items():
            name = f"gateway_revision_{watched.table}_{event}"
            statements.append(f"DROP TRIGGER IF EXISTS {name}")
            statements.append(f"CREATE TRIGGER {name} AFTER {when} BEGIN {_sqlite_action(watched, event)}; END")
    return statements


def _sqlite_action(watched: Watched, event: str) -> str:
    if watched.logged is None:
        return _raise("catalogue")
    into, field = watched.logged
    rows = {"insert": ("NEW",), "delete": ("OLD",), "update": ("OLD", "NEW")}[event]
    values = " UNION ".join(f'SELECT {row}."{watched.column(field)}" AS value' for row in rows)
    return (
        f"{_raise()}; INSERT INTO {_LOG} (revision, {into})"  # noqa: S608  # Constants.
        f" SELECT number, value FROM {_REVISION}, ({values})"
    )


# -- PostgreSQL ----------------------------------------------------------------------------------

_POSTGRESQL = [
    "CREATE UNLOGGED TABLE IF NOT EXISTS gateway_revision_pending ("
    " transaction_id bigint NOT NULL DEFAULT txid_current(), is_last boolean NOT NULL)",
    """
CREATE OR REPLACE FUNCTION gateway_revision_queue() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('gateway.revision_pending', true) IS DISTINCT FROM 'yes' THEN
        PERFORM set_config('gateway.revision_pending', 'yes', true);
        INSERT INTO gateway_revision_pending (is_last) VALUES (false);
    END IF;
END $$""",
    """
CREATE OR REPLACE FUNCTION gateway_configuration_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('gateway.catalogue_changed', 'yes', true);
    PERFORM gateway_revision_queue();
    RETURN NULL;
END $$""",
    f"""
CREATE OR REPLACE FUNCTION gateway_revision_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_catalogue boolean := coalesce(current_setting('gateway.catalogue_changed', true), '') = 'yes';
    is_too_much boolean := coalesce(nullif(current_setting('gateway.logged', true), ''), '0')::integer
        > {LOGGED_PER_TRANSACTION};
    raised bigint;
BEGIN
    IF NOT NEW.is_last THEN
        INSERT INTO gateway_revision_pending (is_last) VALUES (true);
        RETURN NULL;
    END IF;
    DELETE FROM gateway_revision_pending WHERE transaction_id = txid_current();
    PERFORM set_config(name, '', true)
        FROM unnest(ARRAY['gateway.revision_pending', 'gateway.catalogue_changed', 'gateway.logged']) AS name;
    {_raise()},
        catalogue = CASE WHEN is_catalogue THEN {_REVISION}.number + 1 ELSE {_REVISION}.catalogue END,
        log_start = CASE WHEN is_too_much THEN {_REVISION}.number + 1 ELSE {_REVISION}.log_start END
        RETURNING number INTO raised;
    UPDATE {_LOG} SET revision = raised WHERE transaction_id = txid_current() AND revision IS NULL;
    PERFORM pg_notify('{CHANNEL}', '');
    RETURN NULL;
END $$""",  # noqa: S608  # Made of constants.
    "DROP TRIGGER IF EXISTS gateway_revision_at_commit ON gateway_revision_pending",
    "CREATE CONSTRAINT TRIGGER gateway_revision_at_commit AFTER INSERT ON gateway_revision_pending"
    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION gateway_revision_at_commit()",
]


def _postgresql(there: list[tuple[Watched, list[str]]]) -> list[str]:
    """Many writers: each transaction touches the one row once, as the last thing before it commits.

    A row lock that was taken earlier would make all writers of configuration wait for each other,
    and deadlock with the foreign keys, which are checked at commit too. So the first change in a
    transaction queues a deferred trigger; that queues itself once more, behind all that was
    deferred meanwhile; and only then the number is raised, what was logged gets it, and the
    publishers are told.
    """
    statements = list(_POSTGRESQL)
    for watched, columns in there:
        events = {"update": f"UPDATE ON {watched.table} FOR EACH ROW WHEN ({_changed(columns, 'IS DISTINCT FROM')})"}
        if not watched.only_updates:
            events["rows"] = f"INSERT OR DELETE ON {watched.table} FOR EACH ROW"
            events["truncate"] = f"TRUNCATE ON {watched.table} FOR EACH STATEMENT"
        function = "gateway_configuration_changed"
        if watched.logged is not None:
            function = f"gateway_{watched.table}_changed"
            statements.append(_postgresql_function(function, watched.logged[0], watched.column(watched.logged[1])))
        statements += [
            f"CREATE OR REPLACE TRIGGER gateway_revision_{event} AFTER {when} EXECUTE FUNCTION {function}()"
            for event, when in events.items()
        ]
    return statements


def _postgresql_function(name: str, into: str, column: str) -> str:
    """OLD is null where a row is inserted, NEW where one is deleted; TRUNCATE knows no rows."""
    return f"""
CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    logged integer := coalesce(nullif(current_setting('gateway.logged', true), ''), '0');
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        logged := {LOGGED_PER_TRANSACTION};
    ELSIF logged < {LOGGED_PER_TRANSACTION} THEN
        INSERT INTO {_LOG} (transaction_id, {into})
            SELECT DISTINCT txid_current(), value FROM (VALUES (OLD."{column}"), (NEW."{column}")) AS both_rows(value)
            WHERE value IS NOT NULL;
    END IF;
    PERFORM set_config('gateway.logged', (logged + 1)::text, true);
    PERFORM gateway_revision_queue();
    RETURN NULL;
END $$"""  # noqa: S608  # Made of constants.
