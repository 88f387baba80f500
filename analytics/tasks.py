"""Periodic work on usage."""

from datetime import UTC
from pathlib import Path

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from analytics import calls, finished_parts, partitions, privacy, quota_watch, rollups
from analytics import ingest as journal
from portal import heartbeat
from portal.exclusive import only_one


@shared_task
def ingest() -> None:
    with only_one(Path(settings.DATA_DIR) / "locks" / "ingest") as mine:
        if mine:
            journal.ingest(Path(settings.JOURNAL_DIR))
            heartbeat.beat("usage")


@shared_task
def settle() -> None:
    with only_one(Path(settings.DATA_DIR) / "locks" / "settle") as mine:
        while mine and rollups.settle() == rollups.BATCHES:
            pass


@shared_task
def retire_parts() -> None:
    finished_parts.retire(Path(settings.JOURNAL_DIR))


@shared_task
def warn_of_quotas() -> None:
    quota_watch.warn(timezone.now())


@shared_task
def make_partitions() -> None:
    if settings.RAW_CALL_DAYS and partitions.are_used():
        partitions.Days(timezone.now().astimezone(UTC).date(), settings.RAW_CALL_DAYS).make_ahead()


@shared_task
def prune_calls() -> None:
    calls.prune(timezone.now(), days=settings.RAW_CALL_DAYS)


@shared_task
def prune_rollups() -> None:
    rollups.prune(timezone.now(), days=settings.ROLLUP_DAYS)


@shared_task
def erase_closed() -> None:
    privacy.erase_closed_accounts(timezone.now())
