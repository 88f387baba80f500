"""When a subscription was called first, and first with success, is known whatever order calls come in."""

import importlib
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.apps import apps

from analytics import rollups
from analytics.ingest import ingest
from analytics.models import Call, FirstCall
from tests.analytics.conftest import MINE, NOON, record

pytestmark = pytest.mark.django_db
OTHER = uuid.UUID(int=2)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def first_calls() -> dict[uuid.UUID, tuple[datetime, datetime | None]]:
    return {row.subscription_id: (row.called_at, row.succeeded_at) for row in FirstCall.objects.all()}


@pytest.mark.parametrize(
    ("batches", "called", "succeeded"),
    [
        pytest.param([[(5, 200), (3, 200)]], 3, 3, id="the earlier one of a batch"),
        pytest.param([[(3, 401)], [(5, 200)]], 3, 5, id="success comes later"),
        pytest.param([[(5, 200)], [(3, 500)]], 3, 5, id="a late record came first"),
        pytest.param([[(5, 200)], [(2, 204)]], 2, 2, id="a late record succeeded first"),
        pytest.param([[(5, 200), (7, 200)], [(6, 200)]], 5, 5, id="what comes later changes nothing"),
        pytest.param([[(5, 404)], [(6, 429)]], 5, None, id="no success yet"),
    ],
)
def test_earliest_calls_are_kept(write, tmp_path, batches, called, succeeded):
    for batch in batches:
        write(*(record(second, response_code=code) for second, code in batch))
        ingest(tmp_path)
    assert first_calls() == {MINE: (at(called), at(succeeded) if succeeded is not None else None)}


def test_calls_without_a_subscription_are_nobody_s(write, tmp_path):
    write(record(1, subscription=None, response_code=401), record(2, subscription=OTHER.bytes))
    ingest(tmp_path)
    assert first_calls() == {OTHER: (at(2), at(2))}


def test_a_batch_that_cannot_be_stored_notes_nothing(write, tmp_path, monkeypatch):
    write(record(1))
    with monkeypatch.context() as patch:
        patch.setattr("analytics.rows.insert_calls", None)
        with pytest.raises(TypeError):
            ingest(tmp_path)
    assert first_calls() == {}
    ingest(tmp_path)
    assert first_calls() == {MINE: (at(1), at(1))}


def test_what_was_called_before_is_filled_in(write, tmp_path):
    """To the moment where the call itself is kept, else to its quarter."""
    write(record(70, response_code=403), record(80), record(7000, subscription=OTHER.bytes, response_code=500))
    ingest(tmp_path)
    rollups.settle()
    FirstCall.objects.all().delete()
    Call.objects.filter(subscription_id=MINE, at__lt=at(75)).delete()
    Call.objects.filter(subscription_id=OTHER).delete()
    migration = importlib.import_module("analytics.migrations.0009_fill_first_calls")
    migration.fill(apps, None)
    assert first_calls() == {MINE: (at(80), at(80)), OTHER: (datetime(2026, 3, 4, 13, 45, tzinfo=UTC), None)}
