"""The deliveries that wait: written, tried again by hand, taken back."""

from datetime import datetime
from uuid import uuid4

from django.db.models import QuerySet

from events.models import Event
from webhooks import payloads
from webhooks.models import Delivery, Endpoint

State = Delivery.State


def write(event: Event) -> None:
    """Write a delivery for each endpoint that wants the event, in the transaction that marks it as told."""
    # Locked, so that none is deleted before its delivery is there.
    active = Endpoint.objects.select_for_update(no_key=True).filter(is_active=True)
    endpoints = [endpoint for endpoint in active if endpoint.wants(event.name)]
    if endpoints:
        body, message_id = payloads.body_of(event), payloads.message_id(event)
        Delivery.objects.bulk_create(
            Delivery(endpoint=endpoint, event=event, message_id=message_id, type=event.name, body=body)
            for endpoint in endpoints
        )


def write_test(endpoint: Endpoint, now: datetime) -> Delivery:
    message_id = uuid4()
    body = payloads.test_body(message_id, now)
    return Delivery.objects.create(endpoint=endpoint, message_id=message_id, type=payloads.TEST, body=body)


def replay(deliveries: QuerySet[Delivery], now: datetime) -> int:
    """Send again what has ended in whatever way, under the same message id; returns how many."""
    return deliveries.exclude(state=State.WAITING).update(
        state=State.WAITING, attempts=0, next_attempt_at=now, finished_at=None
    )


def cancel(deliveries: QuerySet[Delivery], now: datetime) -> int:
    """Take back what waits; returns how many. One that is just under way may still arrive."""
    return deliveries.filter(state=State.WAITING).update(state=State.CANCELLED, finished_at=now)
