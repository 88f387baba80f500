"""The worker's Celery application: `celery --app portal.celery worker --beat`."""

import logging
import logging.config
import os
import signal
import time
from pathlib import Path
from threading import Thread
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_ready
from celery.worker import state

from portal import file_queue
from portal.schedule import SCHEDULE
from portal.worker_log import OnceAMinute

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

WATCH_SECONDS = 1.0
# Of a smaller step the beat rests as long as it is.
CLOCK_STEP_SECONDS = 10.0

logger = logging.getLogger(__name__)

file_queue.install()
app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule = SCHEDULE
app.autodiscover_tasks()


@app.on_after_configure.connect
def make_folders(sender: Celery, **_: object) -> None:
    """The file queue wants its folders to be there."""
    for folder in ("data_folder_in", "control_folder"):
        if name := sender.conf.broker_transport_options.get(folder):
            Path(name).mkdir(parents=True, exist_ok=True)


@setup_logging.connect
def log_as_django_does(loglevel: int, **_: object) -> None:
    """Celery's own words (a line per task at level INFO) follow --loglevel, ours follow LOG_LEVEL."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)
    logging.getLogger("celery").setLevel(loglevel)
    for name in ("celery.beat", "celery.app.trace"):
        logging.getLogger(name).addFilter(OnceAMinute())


@worker_ready.connect
def end_with_beat(sender: Any, **_: object) -> None:
    """A worker whose beat has died, or waits for the clock, would sit idle; ended, it is started again."""
    beat = sender.controller.beat
    if beat is not None:
        Thread(target=_end_after, args=(beat,), name="beat watch", daemon=True).start()


def _end_after(beat: Any) -> None:
    why = _end_of(beat)
    # A signal that ends both may reach the beat first.
    time.sleep(1)
    if state.should_stop is None and state.should_terminate is None:
        logger.error("%s; the worker ends so that both are started again", why)
        os.kill(os.getpid(), signal.SIGTERM)


def _end_of(beat: Any) -> str:
    """Wait until the beat is of no use, and say why: after a step back of the clock it rests for as long."""
    ahead = _clock_ahead_seconds()
    while beat.is_alive():
        time.sleep(WATCH_SECONDS)
        before, ahead = ahead, _clock_ahead_seconds()
        if before - ahead > CLOCK_STEP_SECONDS:
            return f"The clock has gone back by {before - ahead:.0f} seconds"
    return "The beat has died"


def _clock_ahead_seconds() -> float:
    """Of the time since the machine was started, which nobody sets."""
    return time.time() - time.monotonic()
