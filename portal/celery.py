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
from portal.worker_log import OnceAMinute

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

logger = logging.getLogger(__name__)

file_queue.install()
app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
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
    """A worker whose beat has died would sit idle for ever; ended, it is started again."""
    beat = sender.controller.beat
    if beat is not None:
        Thread(target=_end_after, args=(beat,), name="beat watch", daemon=True).start()


def _end_after(beat: Any) -> None:
    beat.join()
    # A signal that ends both may reach the beat first.
    time.sleep(1)
    if state.should_stop is None and state.should_terminate is None:
        logger.error("The beat has died; the worker ends so that both are started again")
        os.kill(os.getpid(), signal.SIGTERM)
