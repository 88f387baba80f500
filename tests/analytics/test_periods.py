"""Hours, days and weeks as they are where the viewer lives."""

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.periods import Span, Step, buckets, days_earlier, last_days, last_hours, last_quarters

BERLIN, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")
ZONES = ["UTC", "Asia/Kolkata", "Asia/Kathmandu", "Europe/Berlin", "America/Havana", "Australia/Lord_Howe"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        pytest.param("2026-03-28T12:00Z", 24, id="an ordinary day"),
        pytest.param("2026-03-29T12:00Z", 23, id="summer time begins"),
        pytest.param("2026-10-25T12:00Z", 25, id="summer time ends"),
    ],
)
def test_a_day_has_the_hours_that_the_clocks_leave_it(now, hours):
    day = last_days(at(now), BERLIN, days=1)
    assert day.length == timedelta(hours=hours)
    assert len(buckets(day, Step.HOUR, BERLIN)) == hours


def test_calls_around_midnight_belong_to_two_days_where_the_zone_is_half_an_hour_off():
    days = buckets(last_days(at("2026-03-04T12:00Z"), KOLKATA, days=2), Step.DAY, KOLKATA)
    assert [day.start for day in days] == [at("2026-03-02T18:30Z"), at("2026-03-03T18:30Z")]


def test_weeks_begin_on_monday_and_are_cut_to_the_span():
    weeks = buckets(Span(at("2026-03-04T00:00Z"), at("2026-03-17T00:00Z")), Step.WEEK, UTC)
    assert [(week.start.day, week.end.day) for week in weeks] == [(4, 9), (9, 16), (16, 17)]


def test_the_days_before_are_as_many_though_not_as_long():
    week = last_days(at("2026-03-31T12:00Z"), BERLIN, days=2)
    before = days_earlier(week, BERLIN, days=2)
    assert (before.end, before.length, week.length) == (week.start, timedelta(hours=47), timedelta(hours=48))


def test_half_a_day_is_compared_with_the_same_half_of_another_day():
    morning = Span(at("2026-03-28T23:00Z"), at("2026-03-29T10:00Z"))
    assert days_earlier(morning, BERLIN, days=1) == Span(at("2026-03-27T23:00Z"), at("2026-03-28T11:00Z"))


def test_the_last_quarters_and_hours_end_with_the_one_that_runs():
    now = at("2026-03-04T12:20:30Z")
    assert last_quarters(now, count=4) == Span(at("2026-03-04T11:30Z"), at("2026-03-04T12:30Z"))
    assert last_hours(now, UTC, hours=24) == Span(at("2026-03-03T13:00Z"), at("2026-03-04T13:00Z"))
    assert last_hours(now, KOLKATA, hours=24) == Span(at("2026-03-03T12:30Z"), at("2026-03-04T12:30Z"))


def test_quarters_of_a_day_follow_the_clocks_where_they_change():
    found = buckets(last_days(at("2026-03-29T12:00Z"), BERLIN, days=1), Step.SIX_HOURS, BERLIN)
    assert [one.length for one in found] == [timedelta(hours=hours) for hours in (5, 6, 6, 6)]


def test_a_span_that_begins_in_the_evening_has_no_steps_of_the_morning():
    span = Span(at("2026-03-05T20:15Z"), at("2026-03-08T20:15Z"))
    first, second, *_ = buckets(span, Step.SIX_HOURS, BERLIN)
    assert (first, second.start) == (Span(span.start, at("2026-03-05T23:00Z")), at("2026-03-05T23:00Z"))


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)), st.integers(1, 40), st.integers(0, 96),
    st.sampled_from(ZONES), st.sampled_from(Step),
)  # fmt: skip
def test_buckets_leave_no_gap_and_begin_at_quarters(now, days, quarters, name, step):
    zone = ZoneInfo(name)
    span = last_days(now.replace(tzinfo=UTC), zone, days=days).earlier(timedelta(minutes=15 * quarters))
    found = buckets(span, step, zone)
    assert (found[0].start, found[-1].end) == (span.start, span.end)
    assert all(one.end == following.start for one, following in itertools.pairwise(found))
    assert all(one.start.timestamp() % 900 == 0 and one.length > timedelta() for one in found)


def test_more_buckets_than_anybody_can_look_at_are_refused():
    with pytest.raises(ValueError, match="10000"):
        buckets(Span(at("2020-01-01T00:00Z"), at("2026-01-01T00:00Z")), Step.HOUR, UTC)
