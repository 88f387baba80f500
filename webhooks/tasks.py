"""Periodic work on webhooks."""

from pathlib import Path

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from portal.exclusive import only_one
from webhooks import delivery


@shared_task
def deliver_waiting() -> None:
    with only_one(Path(settings.DATA_DIR) / "locks" / "webhooks") as mine:
        if mine:
            delivery.deliver_due()


@shared_task
def forget_old() -> None:
    delivery.forget_old(timezone.now())
