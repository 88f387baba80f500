"""An outage is told once a minute."""

import logging
import sys

import pytest
from celery.beat import SchedulingError

from portal.worker_log import OnceAMinute


def entry(error: Exception | None, at: float, task="ingest") -> logging.LogRecord:
    try:
        raise error or ValueError
    except Exception:
        exc_info = sys.exc_info() if error else None
    record = logging.LogRecord("celery.app.trace", logging.ERROR, "", 0, "failed", (), exc_info)
    record.created, record.data = at, {"name": task}
    return record


@pytest.mark.parametrize(
    ("second", "is_told"),
    [
        pytest.param(entry(OSError(), 1059.9), False, id="the same within the minute"),
        pytest.param(entry(OSError(), 1060.0), True, id="the same after it"),
        pytest.param(entry(KeyError(), 1001.0), True, id="another error"),
        pytest.param(entry(OSError(), 1001.0, "mail"), True, id="another task"),
        pytest.param(entry(None, 1001.0), True, id="no error"),
    ],
)
def test_what_was_told_a_moment_ago_is_not_told_again(second, is_told):
    log = OnceAMinute()
    assert log.filter(entry(OSError(), 1000.0))
    assert log.filter(second) is is_told


def test_a_broker_that_is_down_takes_one_line():
    record = entry(SchedulingError("Connection refused"), 1000.0)
    assert OnceAMinute().filter(record)
    assert logging.Formatter().format(record) == "Connection refused"
