"""Periodic work on subscriptions."""

from celery import shared_task
from django.utils import timezone

from subscriptions import keys, lifecycle, notices


@shared_task
def expire() -> None:
    now = timezone.now()
    lifecycle.expire_due(now)
    keys.delete_ended(now)


@shared_task
def give_notice() -> None:
    notices.give_notice(timezone.now())
