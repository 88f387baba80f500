"""Periodic work on mail."""

from pathlib import Path

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from notifications import delivery, mailing, telling
from portal import heartbeat
from portal.exclusive import only_one


@shared_task
def deliver_waiting() -> None:
    with only_one(Path(settings.DATA_DIR) / "locks" / "mail") as mine:
        if mine:
            telling.tell_new()
            mailing.write_next_batch()
            delivery.deliver_due()
            heartbeat.beat("mail")


@shared_task
def forget_sent() -> None:
    delivery.forget_sent(timezone.now())
    telling.forget_told(timezone.now())
