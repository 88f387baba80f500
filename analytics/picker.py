"""Which period a viewer chose, from the query string, and what offers the choice on a page.

`period` is one of Period. A custom one has `from` and `to`: days of the viewer's zone, both
included, or moments of ISO 8601, up to the second of which it goes. `compare=no` leaves the period
before out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from urllib.parse import urlencode

from django.db.models import TextChoices
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from analytics.period_words import span_in_words
from analytics.periods import (
    QUARTER,
    Span,
    Step,
    buckets,
    days_earlier,
    end_of_quarter,
    last_days,
    last_hours,
    last_quarters,
    midnight,
)

MOST_DAYS = 1100
SHOWN_CHARACTERS = 40
PARAMETERS = ("period", "from", "to", "compare")
_FIRST_YEAR, _LAST_YEAR = 1970, 2199
# The longest period for which each step makes bars that can still be told apart.
_STEPS = (
    (timedelta(hours=3), Step.QUARTER),
    (timedelta(hours=49), Step.HOUR),
    (timedelta(days=10), Step.SIX_HOURS),
    (timedelta(days=100), Step.DAY),
)


class Period(TextChoices):
    HOUR = "hour", _("Last hour")
    DAY = "day", _("Last 24 hours")
    WEEK = "7d", _("Last 7 days")
    MONTH = "30d", _("Last 30 days")
    QUARTER = "90d", _("Last 90 days")
    CUSTOM = "custom", _("Custom period")


_DAYS = {Period.WEEK: 7, Period.MONTH: 30, Period.QUARTER: 90}


@dataclass(frozen=True, slots=True)
class Choice:
    """What the viewer sees: a period, and as much of the one before as has passed of this one."""

    period: Period
    span: Span
    before: Span
    zone: tzinfo
    now: datetime
    compares: bool = True
    typed: tuple[str, str] = ("", "")
    """What `from` and `to` said."""
    problems: tuple[str, ...] = ()
    refused: frozenset[str] = frozenset()
    """Which of `from` and `to` have to be corrected."""

    @property
    def step(self) -> Step:
        return next((step for longest, step in _STEPS if self.span.length <= longest), Step.WEEK)

    @property
    def buckets(self) -> list[Span]:
        return buckets(self.span, self.step, self.zone)

    @property
    def query(self) -> dict[str, str]:
        """The parameters that choose the same again."""
        start, end = self.typed
        chosen = {"period": self.period.value}
        if self.period is Period.CUSTOM:
            chosen |= {"from": start, "to": end}
        return chosen if self.compares else chosen | {"compare": "no"}

    @property
    def words(self) -> str:
        return span_in_words(self.span, self.zone)

    @property
    def zone_name(self) -> str:
        """Of the viewer's time zone; empty where `words` end with it."""
        name = str(self.zone)
        return "" if self.words.endswith(f" {name}") else name

    @property
    def words_before(self) -> str:
        return span_in_words(self.before, self.zone)


class _PeriodError(ValueError):
    """Its text is for the viewer; `refused` are the parameters that it is about."""

    def __init__(self, text: str, *refused: str) -> None:
        super().__init__(text)
        self.refused = frozenset(refused)


def choose(parameters: Mapping[str, str], now: datetime, zone: tzinfo, *, default: Period = Period.WEEK) -> Choice:
    """What the parameters say; where they say nothing that can be read, the default, and what is wrong with them."""
    compares = parameters.get("compare") != "no"
    typed = (parameters.get("from", "")[:SHOWN_CHARACTERS], parameters.get("to", "")[:SHOWN_CHARACTERS])
    try:
        period = _period(parameters.get("period", ""), typed, default)
        span, before = _spans(period, typed, now, zone)
    except _PeriodError as error:
        span, before = _spans(default, typed, now, zone)
        return Choice(default, span, before, zone, now, compares, typed, (str(error),), error.refused)
    return Choice(period, span, before, zone, now, compares, typed)


def moments(span: Span) -> dict[str, str]:
    """The parameters that choose a stretch of time, such as one bar of a chart."""
    start, end = (f"{moment.astimezone(UTC):%Y-%m-%dT%H:%MZ}" for moment in (span.start, span.end))
    return {"period": Period.CUSTOM.value, "from": start, "to": end}


def _period(name: str, typed: tuple[str, str], default: Period) -> Period:
    if not name:
        return Period.CUSTOM if any(typed) else default
    try:
        return Period(name)
    except ValueError as error:
        text = gettext("There is no period “%(name)s”.") % {"name": name[:SHOWN_CHARACTERS]}
        raise _PeriodError(text) from error


def _spans(period: Period, typed: tuple[str, str], now: datetime, zone: tzinfo) -> tuple[Span, Span]:
    if period is Period.HOUR:
        span = last_quarters(now, count=4)
    elif period is Period.DAY:
        span = last_hours(now, zone, hours=24)
    elif period is Period.CUSTOM:
        span = _custom(typed, zone)
    else:
        span = last_days(now, zone, days=_DAYS[period])
    passed = Span(span.start, max(min(span.end, end_of_quarter(now)), span.start))
    days = _whole_days(span, zone)
    return span, days_earlier(passed, zone, days=days) if days else passed.earlier(span.length)


def _whole_days(span: Span, zone: tzinfo) -> int:
    """How many days of the zone it is made of; 0 if it is not."""
    start, end = span.start.astimezone(zone), span.end.astimezone(zone)
    return (end.date() - start.date()).days if start.time() == end.time() == time() else 0


def _custom(typed: tuple[str, str], zone: tzinfo) -> Span:
    start, end = _moment(typed[0], zone, is_end=False), _moment(typed[1], zone, is_end=True)
    if start >= end:
        raise _PeriodError(gettext("The period ends before it begins."), "from", "to")
    if end - start > timedelta(days=MOST_DAYS):
        text = ngettext("A period has at most %(days)d day.", "A period has at most %(days)d days.", MOST_DAYS)
        raise _PeriodError(text % {"days": MOST_DAYS}, "from", "to")
    return Span(start, end)


def _moment(text: str, zone: tzinfo, *, is_end: bool) -> datetime:
    """At the beginning of a quarter; a day that ends the period belongs to it."""
    parameter = "to" if is_end else "from"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _PeriodError(_not_a_date(text, is_end=is_end), parameter) from error
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        # Other years do not fit into every time zone, and nobody called then.
        words = {"text": text, "first": _FIRST_YEAR, "last": _LAST_YEAR}
        raise _PeriodError(gettext("“%(text)s” is not within the years %(first)d to %(last)d.") % words, parameter)
    if len(text) <= len("2026-03-31"):
        return midnight(moment.date() + timedelta(days=1) if is_end else moment.date(), zone)
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    end = end_of_quarter(aware)
    return end if is_end and aware.astimezone(UTC) > end - QUARTER else end - QUARTER


def _not_a_date(text: str, *, is_end: bool) -> str:
    if not text:
        return gettext("Say when the period ends.") if is_end else gettext("Say when the period begins.")
    return gettext("“%(text)s” is no date. Write it like 2026-03-31.") % {"text": text}


@dataclass(frozen=True, slots=True)
class Menu:
    """What a page needs to offer the choice without a script; see `analytics/_picker.html`."""

    choice: Choice
    kept: tuple[tuple[str, str], ...]

    def options(self) -> Iterator[tuple[str, str, bool]]:
        """Label, address and whether it is chosen, of what is chosen by a link."""
        for period in Period:
            if period is not Period.CUSTOM:
                yield str(period.label), self._address({"period": period.value}), period is self.choice.period

    @property
    def toggle_comparison(self) -> str:
        chosen = {name: value for name, value in self.choice.query.items() if name != "compare"}
        return f"?{urlencode([*self.kept, *chosen.items(), *([('compare', 'no')] if self.choice.compares else [])])}"

    @property
    def days(self) -> tuple[str, str]:
        """The first and the last day, for the fields of a custom period; as they were typed where they are refused."""
        if self.choice.problems and any(self.choice.typed):
            return self.choice.typed
        last = self.choice.span.end - QUARTER
        return tuple(f"{moment.astimezone(self.choice.zone):%Y-%m-%d}" for moment in (self.choice.span.start, last))  # type: ignore[return-value]

    def _address(self, chosen: dict[str, str]) -> str:
        compare = {} if self.choice.compares else {"compare": "no"}
        return f"?{urlencode([*self.kept, *(chosen | compare).items()])}"


def menu(choice: Choice, kept: Mapping[str, str]) -> Menu:
    """`kept` are other parameters that stay as they are, such as filters."""
    return Menu(choice, tuple((name, value) for name, value in kept.items() if name not in PARAMETERS))
