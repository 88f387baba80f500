"""The worker's log: tasks run each second, so an outage is told once a minute."""

import logging

from celery.beat import SchedulingError

SECONDS_BETWEEN_COMPLAINTS = 60.0


class OnceAMinute(logging.Filter):
    """Holds back what a task has failed with less than a minute ago."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, type[BaseException]], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return True
        if isinstance(error, SchedulingError):
            # Beat adds its own call stack to that of the error, which is the broker's absence.
            record.msg, record.args, record.exc_info = "%s", (error,), None
        complaint = (str(getattr(record, "data", {}).get("name")), type(error))
        if record.created - self._last.get(complaint, 0.0) < SECONDS_BETWEEN_COMPLAINTS:
            return False
        self._last[complaint] = record.created
        return True
