"""Periodic work on issues."""

from celery import shared_task

from feedback import attachments


@shared_task
def remove_orphans() -> None:
    attachments.remove_orphans()
