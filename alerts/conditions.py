"""When an alert fires and when it is over: values in, values out.

A value that has crossed the threshold must stay beyond it for a while before the alert fires, and one
that is good again has to be so for a while, and by some distance, before it is over. So a value that
swings around its threshold tells people once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

# Longer without a look, and nobody knows what the value was meanwhile.
LONGEST_GAP = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Limits:
    """`is_least`: the threshold is the least that is good, not the most."""

    threshold: float
    clears_at: float
    is_least: bool
    fire_after: timedelta
    clear_after: timedelta


class Verdict(Enum):
    GOOD = "good"
    BETWEEN = "between"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether the alert fires, and since when the value asks for the opposite; None if it does not."""

    fires: bool = False
    holds_since: datetime | None = None


def verdict(limits: Limits, value: float | None) -> Verdict:
    if value is None:
        return Verdict.UNKNOWN
    if limits.is_least:
        if value < limits.threshold:
            return Verdict.BAD
        return Verdict.GOOD if value >= limits.clears_at else Verdict.BETWEEN
    if value >= limits.threshold:
        return Verdict.BAD
    # Without a distance, what does not fire is good.
    is_good = value < limits.clears_at or limits.clears_at == limits.threshold
    return Verdict.GOOD if is_good else Verdict.BETWEEN


def step(
    limits: Limits,
    standing: Standing,
    found: Verdict,
    now: datetime,
    *,
    last: datetime | None,
    gap: timedelta = LONGEST_GAP,
) -> Standing:
    """How the alert stands after a look; `last` is when the one before was, and `gap` the longest time between two."""
    asks_for_change = found is (Verdict.GOOD if standing.fires else Verdict.BAD)
    if not asks_for_change:
        return Standing(standing.fires)
    # A look that is still to come was made by a clock that has gone back since.
    saw_it = last is not None and timedelta() <= now - last <= gap
    since = standing.holds_since if saw_it and standing.holds_since is not None else now
    if now - since >= (limits.clear_after if standing.fires else limits.fire_after):
        return Standing(not standing.fires)
    return Standing(standing.fires, since)
