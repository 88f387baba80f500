"""The gateway's logger. Nothing that a caller sent as a secret goes into it: no targets, no field values."""

import logging
from collections.abc import Hashable
from typing import Final

logger = logging.getLogger("gateway")

SECONDS_BETWEEN_LINES: Final = 1.0


class Sparingly:
    """An event that callers can cause without end: one line a second for each of its subjects.

    A line ends in the number of those that were left out since the one before. Subjects must be few.
    """

    def __init__(self, level: int, event: str) -> None:
        self._level = level
        self._event = event + " left_out=%d"
        self._lines: dict[Hashable, tuple[float, int]] = {}

    def log(self, subject: Hashable, now: float, *fields: object) -> None:
        last, left_out = self._lines.get(subject, (float("-inf"), 0))
        if now - last < SECONDS_BETWEEN_LINES:
            self._lines[subject] = (last, left_out + 1)
        else:
            self._lines[subject] = (now, 0)
            logger.log(self._level, self._event, *fields, left_out)
