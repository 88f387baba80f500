"""Stretches of time as people of a time zone see them: quarters, hours, days, weeks, and the period before.

All begin and end at a quarter of an hour of UTC, in every time zone of today. A day has 23 or 25
hours where the clocks change, and the sums of its hours are its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Self

MOST_BUCKETS = 10_000


QUARTER = timedelta(minutes=15)


class Step(StrEnum):
    QUARTER = "quarter"
    HOUR = "hour"
    SIX_HOURS = "six hours"
    DAY = "day"
    WEEK = "week"


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` up to `end`, both in UTC."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    def earlier(self, by: timedelta) -> Self:
        return type(self)(self.start - by, self.end - by)


def last_days(now: datetime, zone: tzinfo, *, days: int) -> Span:
    """So many days of the zone, the last of which is today."""
    today = _midnight(now, zone)
    return Span(_utc(today - timedelta(days=days - 1)), _utc(today + timedelta(days=1)))


def last_quarters(now: datetime, *, count: int) -> Span:
    """So many quarters of an hour, the last of which runs."""
    end = end_of_quarter(now)
    return Span(end - count * QUARTER, end)


def last_hours(now: datetime, zone: tzinfo, *, hours: int) -> Span:
    """So many hours, the last of which runs by the zone's clocks."""
    start = _hour(now, zone)
    return Span(start - timedelta(hours=hours - 1), _hour(start + timedelta(minutes=75), zone))


def end_of_quarter(moment: datetime) -> datetime:
    """Of the one that the moment is in."""
    start = _utc(moment)
    return start - timedelta(minutes=start.minute % 15) + QUARTER


def midnight(day: date, zone: tzinfo) -> datetime:
    """When the day begins in the zone."""
    return _utc(datetime(day.year, day.month, day.day, tzinfo=zone))


def days_earlier(span: Span, zone: tzinfo, *, days: int) -> Span:
    """Between the same times of the zone's clocks, so many days before."""
    start, end = (moment.astimezone(zone) - timedelta(days=days) for moment in (span.start, span.end))
    return Span(_utc(start), _utc(end))


def buckets(span: Span, step: Step, zone: tzinfo) -> list[Span]:
    """The steps of the zone in a span, without a gap; the first and the last are cut to it.

    Raises ValueError where they are more than MOST_BUCKETS.
    """
    found: list[Span] = []
    for begins, end in _steps(span.start, step, zone):
        start = max(begins, span.start)
        if start >= span.end:
            return found
        if len(found) == MOST_BUCKETS:
            raise ValueError(f"The period has more than {MOST_BUCKETS} buckets.")
        # What the clocks leave out, and what is over before the span, is no step of it.
        if end > start:
            found.append(Span(start, min(end, span.end)))
    return found


def _steps(moment: datetime, step: Step, zone: tzinfo) -> Iterator[tuple[datetime, datetime]]:
    if step is Step.HOUR:
        start = _hour(moment, zone)
        while True:
            end = _hour(start + timedelta(minutes=75), zone)
            yield start, end
            start = end
    if step is Step.QUARTER:
        end = end_of_quarter(moment)
        while True:
            yield end - QUARTER, end
            end += QUARTER
    local = _midnight(moment, zone)
    length = timedelta(hours=6) if step is Step.SIX_HOURS else timedelta(days=1)
    if step is Step.WEEK:
        local -= timedelta(days=local.weekday())
        length = timedelta(days=7)
    while True:
        # Adding days to a local time keeps its clock at midnight, also where the clocks change.
        yield _utc(local), _utc(local + length)
        local += length


def _hour(moment: datetime, zone: tzinfo) -> datetime:
    """When the hour of the zone's clocks began that the moment is in."""
    return _utc(moment) - timedelta(minutes=moment.astimezone(zone).minute)


def _midnight(moment: datetime, zone: tzinfo) -> datetime:
    return moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(second=0, microsecond=0)
