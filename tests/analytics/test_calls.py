"""Rows of single calls go after their time."""

from datetime import timedelta

import pytest
from django.db import connection

from analytics import calls
from analytics.ingest import ingest
from analytics.models import Call, SubscriptionQuarter
from tests.analytics.conftest import NOON, record

pytestmark = pytest.mark.django_db
DAY = 24 * 3600


@pytest.mark.parametrize(("days", "left"), [(3, [0, 1, 2]), (0, []), (30, [0, 1, 2, 3, 4, 5])])
def test_calls_past_their_days_are_deleted_and_sums_stay(write, tmp_path, days, left):
    write(*(record(age, at=NOON.timestamp() - age * DAY) for age in range(6)))
    ingest(tmp_path)
    calls.prune(NOON + timedelta(seconds=1), days=days)
    # PostgreSQL drops whole days.
    begun = [days] if connection.vendor == "postgresql" and 0 < days < 6 else []
    assert sorted(call.request_id.int for call in Call.objects.all()) == left + begun
    assert SubscriptionQuarter.objects.count() == 6


def test_deletion_goes_in_bounded_steps(write, tmp_path, monkeypatch):
    monkeypatch.setattr(calls, "BATCH", 2)
    write(*map(record, range(7)))
    ingest(tmp_path)
    later = NOON + timedelta(days=9)
    assert [calls.prune(later, days=1, batches=2) for _ in range(3)] == [4, 3, 0]
