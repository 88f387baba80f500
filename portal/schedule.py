"""What the worker does without being asked, and how often.

What is done each hour has a minute of its own, so that a worker that starts more often than that does it
too, and nothing waits for all of the others.
"""

from typing import Any

from celery.schedules import crontab


def _each(seconds: float, task: str) -> dict[str, Any]:
    """One that could not be begun in time is left out, for the next one does the same."""
    return {"task": task, "schedule": seconds, "options": {"expires": seconds}}


def _each_hour(minute: int, task: str) -> dict[str, Any]:
    return {"task": task, "schedule": crontab(minute=minute), "options": {"expires": 3600}}


SCHEDULE = {
    "ingest-usage": _each(1, "analytics.tasks.ingest"),
    "settle-usage": _each(15, "analytics.tasks.settle"),
    "deliver-mail": _each(1, "notifications.tasks.deliver_waiting"),
    "expire-subscriptions": _each(60, "subscriptions.tasks.expire"),
    "announce-expiry": _each(300, "subscriptions.tasks.give_notice"),
    "retire-journal-parts": _each(60, "analytics.tasks.retire_parts"),
    "warn-of-quotas": _each(60, "analytics.tasks.warn_of_quotas"),
    "watch-alerts": _each(60, "alerts.tasks.watch"),
    "send-calls": _each(5, "analytics.tasks.send_calls"),
    "deliver-webhooks": _each(1, "webhooks.tasks.deliver_waiting"),
    "make-partitions": _each_hour(3, "analytics.tasks.make_partitions"),
    "prune-alerts": _each_hour(9, "alerts.tasks.prune"),
    "prune-calls": _each_hour(15, "analytics.tasks.prune_calls"),
    "prune-audit-log": _each_hour(21, "audit.tasks.prune"),
    "erase-closed-accounts": _each_hour(27, "analytics.tasks.erase_closed"),
    "prune-rollups": _each_hour(33, "analytics.tasks.prune_rollups"),
    "export-calls": _each_hour(39, "analytics.tasks.export_calls"),
    "forget-webhooks": _each_hour(45, "webhooks.tasks.forget_old"),
    "remove-orphans": _each_hour(51, "feedback.tasks.remove_orphans"),
    "forget-sent-mail": _each_hour(57, "notifications.tasks.forget_sent"),
}
