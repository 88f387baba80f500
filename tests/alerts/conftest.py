import os
from datetime import timedelta

import pytest

from alerts.models import AlertRule
from analytics import rollups
from analytics.ingest import ingest
from portal import heartbeat
from tests.analytics.conftest import NOON, record, start_gateway, write

__all__ = ["start_gateway", "write"]


@pytest.fixture(autouse=True)
def counted(settings, tmp_path):
    """Says that the worker has stored calls, last at that moment."""
    settings.DATA_DIR, settings.JOURNAL_DIR = tmp_path / "data", str(tmp_path)

    def beat(at):
        heartbeat.beat("usage")
        os.utime(settings.DATA_DIR / "heartbeat" / "usage", (at.timestamp(), at.timestamp()))

    beat(NOON + timedelta(days=1))
    return beat


@pytest.fixture
def call(write, tmp_path):
    """Lets calls happen, so many minutes after noon: `call(3, 500, count=7)`; in roll-ups or waiting."""
    numbers = iter(range(1_000_000))

    def make(minute, code=200, *, count=1, settled=True, **fields):
        write(
            *(
                record(
                    next(numbers),
                    **{"at": (NOON + timedelta(minutes=minute)).timestamp(), "response_code": code} | fields,
                )
                for _ in range(count)
            )
        )
        ingest(tmp_path)
        if settled:
            rollups.settle()

    return make


@pytest.fixture
def make_rule(db):
    def make(**fields) -> AlertRule:
        values = {
            "name": "Weather fails",
            "threshold": 10,
            "window_minutes": 15,
            "least_calls": 5,
            "clear_after_minutes": 0,
            "to_administrator": False,
            "emails": "ops@example.org",
        }
        rule = AlertRule(**values | fields)
        rule.full_clean()
        rule.save()
        return rule

    return make
