"""Periodic work on usage."""

import logging
from datetime import UTC, timedelta
from pathlib import Path

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from analytics import calls, finished_parts, partitions, privacy, quota_watch, rollups
from analytics import ingest as journal
from analytics.feeds import parquet, progress
from analytics.lag import ingest_lag
from portal import heartbeat
from portal.exclusive import only_one

logger = logging.getLogger(__name__)


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
    now = timezone.now()
    for one in progress.all_feeds():
        if one.is_set and one.oldest is not None and now - one.oldest > timedelta(days=settings.RAW_CALL_DAYS):
            logger.error("Calls since %s are deleted before they have left by %s", one.oldest.isoformat(), one.name)
    calls.prune(now, days=settings.RAW_CALL_DAYS)


@shared_task
def prune_rollups() -> None:
    rollups.prune(timezone.now(), days=settings.ROLLUP_DAYS)


@shared_task
def erase_closed() -> None:
    now, last = timezone.now(), heartbeat.last_beat("erase")
    # The clock may have gone back.
    privacy.erase_closed_accounts(min(last, now) if last is not None else None)
    lag = ingest_lag()
    # As long as calls of before are still to come, it is as if this had not been done.
    if lag is None or lag.seconds(now) < privacy.CALLS_MAY_COME.total_seconds():
        heartbeat.beat("erase")


@shared_task
def export_calls() -> None:
    if not settings.CALL_EXPORT_DIR:
        return
    with only_one(Path(settings.DATA_DIR) / "locks" / "export-calls") as mine:
        for file in parquet.export_calls(Path(settings.CALL_EXPORT_DIR)) if mine else ():
            logger.info("Exported calls to %s", file)


@shared_task
def send_calls() -> None:
    if not settings.OTEL_EXPORTER_OTLP_LOGS_ENDPOINT:
        return
    # Its packages are optional.
    from analytics.feeds import otlp

    with only_one(Path(settings.DATA_DIR) / "locks" / "send-calls") as mine:
        if mine:
            otlp.send_calls(settings.OTEL_EXPORTER_OTLP_LOGS_ENDPOINT)
