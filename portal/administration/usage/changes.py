"""How much a number has changed against the period before."""

from dataclasses import dataclass
from enum import Enum

from django.utils.formats import number_format
from django.utils.translation import gettext as _


class Good(Enum):
    """Which way a number should go."""

    UP = "up"
    DOWN = "down"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Change:
    """`words` such as “+12 %”; `direction` is up, down or same; `tone` good, bad or neutral."""

    words: str
    direction: str
    tone: str = "neutral"


def change(now: float | None, before: float | None, good: Good = Good.NEITHER) -> Change | None:
    """None where there is nothing to compare."""
    if now is None or before is None or (not now and not before):
        return None
    direction = "up" if now > before else "down" if now < before else "same"
    tone = "neutral"
    if direction != "same" and good is not Good.NEITHER:
        tone = "good" if direction == good.value else "bad"
    return Change(_words(now, before), direction, tone)


def _words(now: float, before: float) -> str:
    if not before:
        return _("new")
    percent = (now - before) / before * 100
    decimals = 1 if 0 < abs(percent) < 10 else 0
    number = number_format(round(percent, decimals), decimals, force_grouping=True)
    return _("%(number)s %%") % {"number": f"+{number}" if percent > 0 else number.replace("-", "−")}
