"""The worker's Celery application: `celery --app portal.celery worker --beat`."""

import os
from pathlib import Path

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_after_configure.connect
def make_folders(sender: Celery, **_: object) -> None:
    """The file-system transport wants its folders to be there."""
    for folder in ("data_folder_in", "control_folder"):
        if name := sender.conf.broker_transport_options.get(folder):
            Path(name).mkdir(parents=True, exist_ok=True)
