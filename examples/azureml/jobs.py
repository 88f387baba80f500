"""Batch jobs and what may happen to them, kept in SQLite so that they outlive the process.

A job is NotStarted, then Running from its start on (be it waiting for a worker), then Failed,
Cancelled or Finished, which are final. What a job reads and writes holds secrets: it is erased when
the job ends.
"""

import json
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, TypeAlias

from examples.azureml.database import connect
from examples.azureml.errors import ServiceError

SCHEMA = """
CREATE TABLE IF NOT EXISTS job (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    input TEXT,
    output TEXT,
    results TEXT,
    details TEXT,
    created_at TEXT NOT NULL,
    started_at TEXT,
    ended_at TEXT
);
CREATE INDEX IF NOT EXISTS job_state ON job (state);
"""
KEPT = timedelta(days=7)

# A reference to a blob as the request wrote it.
Reference: TypeAlias = dict[str, str | None]


class State(Enum):
    """By name and number, as BatchScoreStatusCode has them."""

    NotStarted = 0
    Running = 1
    Failed = 2
    Cancelled = 3
    Finished = 4


UNFINISHED = (State.NotStarted.name, State.Running.name)


@dataclass(frozen=True, slots=True)
class Job:
    id: str
    state: State
    input: Reference | None
    output: Reference | None
    results: dict[str, Any] | None
    details: str | None
    created_at: str
    started_at: str | None
    ended_at: str | None


class JobStore:
    def __init__(self, file: Path, *, max_unfinished: int) -> None:
        self._file = file
        self._max_unfinished = max_unfinished
        file.touch(mode=0o600)
        with connect(file) as database:
            database.executescript(SCHEMA)

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with connect(self._file) as database:
            database.execute("BEGIN IMMEDIATE")
            with database:
                yield database

    def submit(self, *, input_: Reference, output: Reference | None) -> str:
        """Keep a new job; returns its id. Raises TooManyConcurrentRequests."""
        job_id = uuid.uuid4().hex
        with self._change() as database:
            _forget_old(database)
            (unfinished,) = database.execute("SELECT count(*) FROM job WHERE state IN (?, ?)", UNFINISHED).fetchone()
            if unfinished >= self._max_unfinished:
                raise ServiceError("TooManyConcurrentRequests")
            database.execute(
                "INSERT INTO job (id, state, input, output, created_at) VALUES (?, ?, ?, ?, ?)",
                (job_id, State.NotStarted.name, json.dumps(input_), json.dumps(output), _now()),
            )
        return job_id

    def get(self, job_id: str) -> Job:
        """Raises JobNotFound."""
        with connect(self._file) as database:
            return _get(database, job_id)

    def start(self, job_id: str) -> None:
        """Raises JobNotFound or CannotStartJob."""
        with self._change() as database:
            job = _get(database, job_id)
            if job.state is not State.NotStarted:
                raise ServiceError("CannotStartJob", (job.state.name,))
            database.execute(
                "UPDATE job SET state = ?, started_at = ? WHERE id = ?", (State.Running.name, _now(), job_id)
            )

    def cancel(self, job_id: str) -> None:
        """A job that has ended stays as it is. Raises JobNotFound."""
        with self._change() as database:
            if _get(database, job_id).state.name in UNFINISHED:
                _end(database, job_id, State.Cancelled)

    def finish(self, job_id: str, results: dict[str, Any]) -> None:
        self._end_running(job_id, State.Finished, results=results)

    def fail(self, job_id: str, details: str) -> None:
        self._end_running(job_id, State.Failed, details=details)

    def _end_running(self, job_id: str, state: State, **outcome: Any) -> None:
        """Nothing happens to a job that was cancelled meanwhile."""
        with self._change() as database:
            if _get(database, job_id).state is State.Running:
                _end(database, job_id, state, **outcome)

    def running(self) -> list[str]:
        """The jobs that have been started and have not ended, the oldest first."""
        with connect(self._file) as database:
            rows = database.execute("SELECT id FROM job WHERE state = ? ORDER BY started_at", (State.Running.name,))
            return [row["id"] for row in rows]


def _forget_old(database: sqlite3.Connection) -> None:
    oldest = (datetime.now(UTC) - KEPT).isoformat()
    database.execute("DELETE FROM job WHERE created_at < ? AND state != ?", (oldest, State.Running.name))


def _get(database: sqlite3.Connection, job_id: str) -> Job:
    row = database.execute("SELECT * FROM job WHERE id = ?", (job_id,)).fetchone()
    if row is None:
        raise ServiceError("JobNotFound")
    values = dict(row)
    for name in ("input", "output", "results"):
        values[name] = json.loads(values[name]) if values[name] else None
    return Job(**{**values, "state": State[values["state"]]})


def _end(
    database: sqlite3.Connection,
    job_id: str,
    state: State,
    *,
    results: dict[str, Any] | None = None,
    details: str | None = None,
) -> None:
    database.execute(
        "UPDATE job SET state = ?, results = ?, details = ?, ended_at = ?, input = NULL, output = NULL WHERE id = ?",
        (state.name, json.dumps(results) if results else None, details, _now(), job_id),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat()
