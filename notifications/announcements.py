"""Mails made of events: who gets which.

The mails of an event are written in the transaction that marks it as told, so that each event is
told once, whichever workers run and wherever one dies. Template names are Azure's where it has such
a mail.
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

from events import names
from events.models import Event
from service import models as service_models
from service.models import Service
from subscriptions.models import Subscription

BATCH = 100

logger = logging.getLogger(__name__)

# Notifications of the publisher: what a developer did himself.
PUBLISHER_TEMPLATES = {
    names.SUBSCRIPTION_REQUESTED: "requestPublisherNotificationMessage",
    names.SUBSCRIPTION_ACTIVATED: "purchasePublisherNotificationMessage",
}
DEVELOPER_TEMPLATES = {
    names.SUBSCRIPTION_REQUESTED: "requestDeveloperNotificationMessage",
    names.SUBSCRIPTION_ACTIVATED: "purchaseDeveloperNotificationMessage",
    names.SUBSCRIPTION_REJECTED: "rejectDeveloperNotificationMessage",
    names.SUBSCRIPTION_SUSPENDED: "suspendDeveloperNotificationMessage",
    names.SUBSCRIPTION_RESUMED: "resumeDeveloperNotificationMessage",
    names.SUBSCRIPTION_CANCELLED: "cancelDeveloperNotificationMessage",
    names.SUBSCRIPTION_EXPIRED: "expireDeveloperNotificationMessage",
}


class Letter(NamedTuple):
    """Who gets which template, and the page where the reader goes on."""

    recipient: str
    template: str
    action: str
    path: str


def announce_new() -> int:
    """Write the mails of at most BATCH new events into the outbox; returns the number of events."""
    events = list(Event.objects.filter(told_at=None).order_by("pk")[:BATCH])
    service = service_models.current() if events else None
    return sum(_announce(event, service) for event in events)


def _announce(event: Event, service: Service | None) -> bool:
    with transaction.atomic():
        if not Event.objects.filter(pk=event.pk, told_at=None).update(told_at=timezone.now()):
            return False
        subscription = _subscription(event)
        if subscription is None:
            return True
        for letter in _letters(event, subscription, service):
            try:
                _mail(letter, event, subscription, service).send()
            except ValueError:
                # No later attempt could do better: the address or the text is not fit for a mail.
                logger.exception("No mail %s about subscription %s", letter.template, subscription.pk)
    return True


def _subscription(event: Event) -> Subscription | None:
    """The one that the event is about, if it is still there."""
    chosen = Subscription.objects.filter(pk=event.data.get("subscription"))
    return chosen.select_related("owner", "product", "api").first()


def _letters(event: Event, subscription: Subscription, service: Service | None) -> Iterator[Letter]:
    owner = subscription.owner
    if owner is None:
        return
    if service is not None and event.by_id == owner.pk and event.name in PUBLISHER_TEMPLATES:
        page = reverse("admin:subscriptions_subscription_change", args=[subscription.pk])
        action = "Approve or decline it" if event.name == names.SUBSCRIPTION_REQUESTED else "See the subscription"
        yield Letter(service.administrator_email, PUBLISHER_TEMPLATES[event.name], action, page)
    if event.name in DEVELOPER_TEMPLATES:
        yield Letter(owner.email, DEVELOPER_TEMPLATES[event.name], "Open your profile", reverse("portal:profile"))


def _mail(letter: Letter, event: Event, subscription: Subscription, service: Service | None) -> EmailMultiAlternatives:
    context: dict[str, object] = {
        "event": event.data,
        "subscription": subscription,
        "owner": subscription.owner,
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
