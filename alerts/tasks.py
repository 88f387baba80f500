"""Periodic work on alerts."""

from pathlib import Path

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from alerts import watch as watching
from portal import heartbeat
from portal.exclusive import only_one


@shared_task
def watch() -> None:
    with only_one(Path(settings.DATA_DIR) / "locks" / "alerts") as mine:
        if mine:
            watching.watch(timezone.now())
            heartbeat.beat("alerts")


@shared_task
def prune() -> None:
    watching.forget(timezone.now(), days=settings.ROLLUP_DAYS)
