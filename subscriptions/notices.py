"""Telling owners, some days before, that a subscription expires."""

from datetime import datetime, timedelta
from math import ceil
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from events import names
from events.recording import record
from subscriptions.models import ExpiryNotice, Subscription

DAYS_BEFORE = (30, 7, 1)
ONE_DAY = timedelta(days=1)


def give_notice(now: datetime) -> int:
    """Record an event for each active subscription at whose last moment for a notice nobody was told yet.

    Moments are 30, 7 and 1 days before the expiry, and the notice date. Of several that have passed
    only the last one counts. A new expiry date has new moments.
    """
    return sum(_tell(pk, moment, now) for pk, moment in _due(now))


def _due(now: datetime) -> set[tuple[UUID, datetime]]:
    soon = Q(expires_at__lte=now + timedelta(days=max(DAYS_BEFORE))) | Q(notice_at__lte=now)
    active = Subscription.objects.filter(soon, state=Subscription.State.ACTIVE, expires_at__gt=now).order_by("pk")
    last = {
        pk: _last_moment(expires_at, notice_at, now)
        for pk, expires_at, notice_at in active.values_list("pk", "expires_at", "notice_at")
        if expires_at is not None
    }
    told = ExpiryNotice.objects.filter(subscription__in=active.order_by()).values_list("subscription", "moment")
    return last.items() - set(told)


def _last_moment(expires_at: datetime, notice_at: datetime | None, now: datetime) -> datetime:
    moments = [expires_at - timedelta(days=days) for days in DAYS_BEFORE] + ([notice_at] if notice_at else [])
    return max(moment for moment in moments if moment <= now)


def _tell(pk: UUID, moment: datetime, now: datetime) -> bool:
    """False where another worker was faster, or the subscription has changed."""
    with transaction.atomic():
        row = Subscription.objects.select_for_update().get(pk=pk)
        if row.state != Subscription.State.ACTIVE or row.expires_at is None or row.expires_at <= now:
            return False
        _, is_new = ExpiryNotice.objects.get_or_create(subscription=row, moment=moment)
        if is_new:
            record(
                names.SUBSCRIPTION_EXPIRING,
                subscription=row,
                owner=row.owner_id,
                team=row.team_id,
                product=row.product_id,
                api=row.api_id,
                expires_at=row.expires_at,
                days_left=ceil((row.expires_at - now) / ONE_DAY),
            )
    return is_new
