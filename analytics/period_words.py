"""How stretches of time are told to a viewer, in his language and by his clock."""

from datetime import datetime, time, timedelta, tzinfo

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext

from analytics.periods import Span


def span_in_words(span: Span, zone: tzinfo) -> str:
    """A day, days, or from when to when."""
    start, end = span.start.astimezone(zone), span.end.astimezone(zone)
    if start.time() == end.time() == time():
        first, last = start.date(), end.date() - timedelta(days=1)
        return date_format(first) if first == last else f"{date_format(first)} – {date_format(last)}"
    if start.date() == end.date() or end - start <= timedelta(hours=7):
        return f"{date_format(start)}, {_clock(start)} – {_clock(end)} {start.tzname()}"
    return f"{date_format(start)}, {_clock(start)} – {date_format(end)}, {_clock(end)} {end.tzname()}"


def latest_in_words(count: int, since: datetime) -> str:
    """That a table counts only so many calls, the first of them at a moment."""
    return gettext("There are many: these are the latest %(count)s, since %(time)s.") % {
        "count": number_format(count, force_grouping=True),
        "time": date_format(timezone.localtime(since), "SHORT_DATETIME_FORMAT"),
    }


def _clock(moment: datetime) -> str:
    return date_format(moment, "H:i")
