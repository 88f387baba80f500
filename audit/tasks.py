"""Periodic work on the audit log."""

from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from audit.models import Entry
from audit.protection import pruning

BATCH = 10_000


@shared_task
def prune() -> None:
    """Delete, in batches, what is older than AUDIT_DAYS; 0 keeps everything."""
    if not settings.AUDIT_DAYS:
        return
    old = Entry.objects.filter(timestamp__lt=timezone.now() - timedelta(days=settings.AUDIT_DAYS)).order_by("pk")
    while batch := list(old.values_list("pk", flat=True)[:BATCH]):
        with pruning():
            Entry.objects.filter(pk__in=batch).delete()
