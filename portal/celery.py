"""The worker's Celery application: `celery --app portal.celery worker --beat`."""

import logging
import logging.config
import os
from pathlib import Path

from celery import Celery
from celery.signals import setup_logging

from portal import file_queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

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
