"""Periodic work on subscriptions."""

from celery import shared_task
from django.utils import timezone

from subscriptions import lifecycle


@shared_task
def expire() -> None:
    lifecycle.expire_due(timezone.now())
