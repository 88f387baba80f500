"""Where the lines of an axis go: at 1, 2 or 5 times a power of ten."""

from math import ceil, floor, log10

MOST_INTERVALS = 4


def ticks(most: float, *, is_whole: bool = False) -> list[float]:
    """Evenly from zero to the first that is not below `most`, which is above zero."""
    step = _nice(most / MOST_INTERVALS)
    if is_whole:
        step = max(step, 1)
    return [number * step for number in range(ceil(round(most / step, 9)) + 1)]


def _nice(least: float) -> float:
    """The smallest such number that is not below `least`."""
    power = 10.0 ** floor(log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))
