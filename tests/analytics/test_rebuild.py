"""Roll-ups from the rows of calls that were ingested before there were any."""

import random
import uuid
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db.models import F

from analytics import rebuild, rollups
from analytics.ingest import ingest
from analytics.models import Call, CallKind, CountryQuarter, FirstCall, PendingCalls, UsageQuarter
from analytics.rollups import GRAINS
from tests.analytics.conftest import NOON, record

pytestmark = pytest.mark.django_db
DAY = 24 * 3600


@pytest.fixture
def called(write, tmp_path):
    """Four days of calls, ingested and summed."""
    draw = random.Random(3)
    write(
        *(
            record(
                number,
                at=NOON.timestamp() + draw.uniform(0, 4 * DAY),
                api=draw.choice([1, 2, None]),
                subscription=draw.choice([uuid.UUID(int=1).bytes, None]),
                response_code=draw.choice([200, 404, 429, 500]),
                error_source=draw.choice(["", "quota"]),
                total_seconds=draw.lognormvariate(-3, 1),
                backend_seconds=draw.choice([None, draw.lognormvariate(-3, 1)]),
            )
            for number in range(200)
        )
    )
    ingest(tmp_path)
    rollups.settle()


def contents() -> list[dict[tuple, dict]]:
    """Of each roll-up, by time and kind."""
    fields = ("kind__subscription_id", "kind__api_id", "kind__operation_id", "kind__product_id", "kind__country")
    return [
        {(row.pop("at"), *(row.pop(field) for field in fields)): row for row in rows}
        for rows in (grain.model.objects.values("at", *fields, *rollups.SUM_FIELDS) for grain in GRAINS)
    ]


def run() -> str:
    told = StringIO()
    call_command("rebuild_rollups", stdout=told)
    return told.getvalue().splitlines()[-1]


def test_what_was_lost_comes_back_as_it_was_and_once(called):
    before = contents()
    for grain in GRAINS:
        grain.model.objects.all().delete()
    CallKind.objects.all().delete()
    assert run() == "5 of 5 days were made anew."
    assert contents() == before
    assert run() == "0 of 5 days were made anew."
    assert contents() == before


def test_a_roll_up_that_is_new_is_filled(called):
    before = contents()
    CountryQuarter.objects.all().delete()
    run()
    assert contents() == before


def test_calls_that_wait_are_counted_once(called, write, tmp_path):
    UsageQuarter.objects.all().delete()
    write(*(record(1000 + number) for number in range(10)))
    ingest(tmp_path)
    run()
    assert not PendingCalls.objects.exists()
    assert rollups.settle() == 0
    assert sum(sum(map(row.get, ("success", "blocked", "failed", "other"))) for row in contents()[0].values()) == 210


def test_sums_of_calls_whose_rows_are_gone_stay(called):
    before = contents()
    Call.objects.filter(response_code=200).delete()
    assert run().startswith("0 of")
    assert contents() == before


def test_calls_without_an_answer_that_were_taken_for_successes_are_none_any_more(called):
    before = contents()
    for grain in GRAINS:
        grain.model.objects.update(success=F("success") + F("other"), other=0)
    assert run() == "5 of 5 days were made anew."
    assert contents() == before


def test_the_first_success_is_no_call_without_an_answer(write, tmp_path):
    late, never, right, gone = (uuid.UUID(int=number) for number in range(1, 5))
    write(
        record(1, subscription=late.bytes, response_code=0),
        record(2, subscription=late.bytes, response_code=404),
        record(3, subscription=late.bytes, response_code=201),
        record(4, subscription=late.bytes),
        record(5, subscription=never.bytes, response_code=0),
        record(6, subscription=right.bytes),
    )
    ingest(tmp_path)
    FirstCall.objects.create(subscription_id=gone, called_at=NOON, succeeded_at=NOON)
    wanted = dict(FirstCall.objects.values_list("pk", "succeeded_at"))
    assert [wanted[one] for one in (late, never, right)] == [
        NOON + timedelta(seconds=3),
        None,
        NOON + timedelta(seconds=6),
    ]
    FirstCall.objects.exclude(pk=gone).update(succeeded_at=F("called_at"))
    run()
    assert dict(FirstCall.objects.values_list("pk", "succeeded_at")) == wanted


def test_there_may_be_no_calls_at_all():
    assert list(rebuild.days_with_calls()) == []
    assert run() == "0 of 0 days were made anew."
