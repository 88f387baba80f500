"""Journals as the gateway writes them."""

import uuid
from datetime import UTC, datetime

import pytest

from gateway.journal.record import CallRecord
from gateway.journal.writer import Journal
from gateway.limits.counters import Counters

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
MINE = uuid.UUID(int=1)


def record(number: int = 0, **fields) -> CallRecord:
    values = {
        "at": NOON.timestamp() + number,
        "request_id": str(uuid.UUID(int=number)).encode(),
        "api": 1,
        "operation": 2,
        "product": 3,
        "subscription": MINE.bytes,
        "user": 4,
        "method": b"GET",
        "url": b"/echo?n=%d" % number,
        "caller_address": "127.0.0.1",
        "response_code": 200,
        "backend_code": 200,
        "total_seconds": 0.5,
        "backend_seconds": 0.25,
        "request_bytes": 10,
        "response_bytes": 20,
    }
    return CallRecord(**values | fields)


@pytest.fixture
def start_gateway(tmp_path):
    """Starts a gateway's journal, which is closed in the end."""
    started = []

    def start(name="gw") -> Journal:
        limits = {"part_bytes": 2**30, "part_seconds": 3600, "fsync_seconds": 1.0}
        started.append(Journal(tmp_path, name, Counters(), **limits))
        return started[-1]

    yield start
    for journal in started:
        journal.close()


@pytest.fixture
def write(start_gateway):
    """Lets a gateway record calls and close its journal: `write(record(1), record(2))`."""

    def write_records(*records: CallRecord, name="gw") -> None:
        journal = start_gateway(name)
        for one in records:
            journal.append(one)
        journal.close()

    return write_records
