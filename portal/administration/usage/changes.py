"""How much a number has changed against the period before."""

from dataclasses import dataclass
from enum import Enum

from django.utils.formats import number_format
from django.utils.translation import gettext as _

# From here on a percentage says less than how many times as much it is.
_MANY_TIMES = 20


class Good(Enum):
    """Which way a number should go."""

    UP = "up"
    DOWN = "down"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Change:
    """`words` such as “+12 %” or “× 35”; `direction` is up, down or same; `tone` good, bad or neutral."""

    words: str
    direction: str
    tone: str = "neutral"


def change(now: float | None, before: float | None, good: Good = Good.NEITHER) -> Change | None:
    """None where there is nothing to compare."""
    if now is None or before is None or (not now and not before):
        return None
    if not before:
        return _judged(_("new"), "up", good)
    percent = (now - before) / before * 100
    percent = round(percent, 1 if abs(percent) < 10 else 0) or 0.0
    direction = "up" if percent > 0 else "down" if percent < 0 else "same"
    return _judged(_words(percent, now / before), direction, good)


def _judged(words: str, direction: str, good: Good) -> Change:
    if direction == "same" or good is Good.NEITHER:
        return Change(words, direction)
    return Change(words, direction, "good" if direction == good.value else "bad")


def _words(percent: float, times: float) -> str:
    if times >= _MANY_TIMES:
        return f"× {number_format(round(times), force_grouping=True)}"
    number = number_format(percent, 1 if 0 < abs(percent) < 10 else 0, force_grouping=True)
    return _("%(number)s %%") % {"number": f"+{number}" if percent > 0 else number.replace("-", "−")}
