"""Mails that tell administrator and developer what became of a subscription.

The mails of an event are written in the transaction that marks it as announced, so that each event
is announced once, whichever workers run and wherever one dies. Template names are Azure's where it
has such a mail.
"""

import logging
from collections.abc import Iterator
from typing import NamedTuple

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from service import models as service_models
from service.models import Service
from subscriptions.models import Subscription, SubscriptionEvent

BATCH = 100

State = Subscription.State
logger = logging.getLogger(__name__)

# Notifications of the publisher: what a developer did himself.
PUBLISHER_TEMPLATES = {
    State.SUBMITTED: "requestPublisherNotificationMessage",
    State.ACTIVE: "purchasePublisherNotificationMessage",
}
DEVELOPER_TEMPLATES = {
    State.SUBMITTED: "requestDeveloperNotificationMessage",
    State.ACTIVE: "purchaseDeveloperNotificationMessage",
    State.REJECTED: "rejectDeveloperNotificationMessage",
    State.SUSPENDED: "suspendDeveloperNotificationMessage",
    State.CANCELLED: "cancelDeveloperNotificationMessage",
    State.EXPIRED: "expireDeveloperNotificationMessage",
}
RESUMED_TEMPLATE = "resumeDeveloperNotificationMessage"


class Letter(NamedTuple):
    """Who gets which template, and the page where the reader goes on."""

    recipient: str
    template: str
    action: str
    path: str


def announce_new() -> int:
    """Write the mails of at most BATCH new events into the outbox; returns the number of events."""
    scope = ("subscription__owner", "subscription__product", "subscription__api")
    events = list(SubscriptionEvent.objects.filter(announced_at=None).select_related(*scope).order_by("pk")[:BATCH])
    service = service_models.current() if events else None
    return sum(_announce(event, service) for event in events)


def _announce(event: SubscriptionEvent, service: Service | None) -> bool:
    with transaction.atomic():
        new = SubscriptionEvent.objects.filter(pk=event.pk, announced_at=None)
        if not new.update(announced_at=timezone.now()):
            return False
        for letter in _letters(event, service):
            try:
                _mail(letter, event, service).send()
            except ValueError:
                # No later attempt could do better: the address or the text is not fit for a mail.
                logger.exception("No mail %s about subscription %s", letter.template, event.subscription_id)
    return True


def _letters(event: SubscriptionEvent, service: Service | None) -> Iterator[Letter]:
    subscription, state = event.subscription, State(event.state)
    owner = subscription.owner
    if owner is None:
        return
    if service is not None and event.by_id == owner.pk and state in PUBLISHER_TEMPLATES:
        page = reverse("admin:subscriptions_subscription_change", args=[subscription.pk])
        action = "Approve or decline it" if state == State.SUBMITTED else "See the subscription"
        yield Letter(service.administrator_email, PUBLISHER_TEMPLATES[state], action, page)
    template = RESUMED_TEMPLATE if _is_resumption(event) else DEVELOPER_TEMPLATES[state]
    yield Letter(owner.email, template, "Open your profile", reverse("portal:profile"))


def _is_resumption(event: SubscriptionEvent) -> bool:
    before = SubscriptionEvent.objects.filter(subscription=event.subscription, pk__lt=event.pk).order_by("pk").last()
    return event.state == State.ACTIVE and before is not None and before.state == State.SUSPENDED


def _mail(letter: Letter, event: SubscriptionEvent, service: Service | None) -> EmailMultiAlternatives:
    context: dict[str, object] = {
        "event": event,
        "subscription": event.subscription,
        "owner": event.subscription.owner,
        "organization": service.organization_name if service is not None else "API Management",
        "action": letter.action,
        "url": f"{settings.PORTAL_URL}{letter.path}",
    }
    rendered = render_to_string(f"notifications/{letter.template}.txt", context)
    subject, _, body = rendered.strip().partition("\n")
    context["paragraphs"] = body.strip().split("\n\n")
    mail = EmailMultiAlternatives(
        subject=" ".join(subject.split()),
        body=render_to_string("notifications/mail.txt", context),
        to=[letter.recipient],
        headers={"Auto-Submitted": "auto-generated"},
    )
    mail.attach_alternative(render_to_string("notifications/mail.html", context), "text/html")
    return mail
