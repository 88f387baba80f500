"""The slots of a chart over time, named by the viewer's clock and calendar."""

from collections.abc import Callable, Sequence
from datetime import datetime, time, tzinfo

from babel.dates import format_skeleton
from django.conf import settings
from django.utils.formats import date_format
from django.utils.translation import get_language, gettext, to_locale

from analytics.charts.figure import Slot
from analytics.period_words import span_in_words
from analytics.periods import Span, Step

MOST_TICKS = 7
# Every second one stays where there is little room.
_MAJOR = 2


def slots(
    buckets: Sequence[Span], step: Step, zone: tzinfo, now: datetime, link: Callable[[Span], str] = lambda span: ""
) -> list[Slot]:
    """One for each bucket; `link` says where it leads."""
    named = [at for at, bucket in enumerate(buckets) if _may_be_named(bucket.start.astimezone(zone), step)]
    chosen = named[:: -(-len(named) // MOST_TICKS) or 1]
    order = {at: number for number, at in enumerate(chosen)}
    return [
        Slot(
            _label(bucket, step, zone, now),
            _tick(bucket.start.astimezone(zone), step) if at in order else "",
            order.get(at, 0) % _MAJOR > 0,
            link(bucket),
        )
        for at, bucket in enumerate(buckets)
    ]


def _may_be_named(start: datetime, step: Step) -> bool:
    return step is not Step.SIX_HOURS or start.time() == time()


def _tick(start: datetime, step: Step) -> str:
    if step in (Step.QUARTER, Step.HOUR) and start.time() != time():
        return date_format(start, "H:i")
    return format_skeleton("MMMd", start, locale=to_locale(get_language() or settings.LANGUAGE_CODE))


def _label(bucket: Span, step: Step, zone: tzinfo, now: datetime) -> str:
    words = span_in_words(bucket, zone)
    if step is Step.WEEK:
        words = gettext("Week from %(day)s") % {"day": date_format(bucket.start.astimezone(zone))}
    return gettext("%(time)s (so far)") % {"time": words} if bucket.start <= now < bucket.end else words
