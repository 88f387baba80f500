"""Mails of one event to very many people, written in batches.

Each batch and the note of how far it went are one transaction, so that nobody is left out or gets
two, wherever a worker dies. Whoever subscribes meanwhile may be among them or not.
"""

import logging
from collections.abc import Callable, Mapping
from functools import cache

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import get_language

from accounts.localization import as_read_by
from accounts.models import TeamMembership, User
from apis.models import API
from events import names
from events.models import Event
from notifications import mail_server, preferences
from notifications.catalogue import TEMPLATES, Category
from notifications.facts import Facts, facts_of, values_of
from notifications.mails import Mail, compose, compose_copy
from notifications.models import Mailing, OutboxMail
from notifications.outbox import rows_of
from notifications.publisher import Notification, recipients_of
from notifications.rendering import Text
from notifications.set_aside import set_aside
from notifications.texts import text_of
from subscriptions.models import Product, Subscription

BATCH = 200
TEMPLATE_OF: Mapping[str, str] = {
    names.ANNOUNCEMENT_PUBLISHED: "announcementDeveloperNotificationMessage",
    names.API_DEPRECATED: "apiDeprecatedDeveloperNotificationMessage",
}
logger = logging.getLogger(__name__)


def begin(event: Event) -> None:
    """Note that an event is to be mailed to many, in the transaction that marks it as told.

    Some events say of themselves that nobody is to be mailed.
    """
    if event.name in TEMPLATE_OF and event.data.get("mails", True):
        Mailing.objects.create(event=event)


def subscribers(subscriptions: QuerySet[Subscription]) -> QuerySet[User]:
    """Who uses one of these while it is active: its owner, or everybody in the team that owns it."""
    active = subscriptions.filter(state=Subscription.State.ACTIVE)
    members = TeamMembership.objects.filter(team__in=active.values("team")).values("user")
    people = User.objects.filter(Q(pk__in=active.values("owner")) | Q(pk__in=members))
    return people.filter(state=User.State.ACTIVE)


def receivers_of(facts: Facts) -> QuerySet[User]:
    return receivers(facts.api, facts.product, TEMPLATES[TEMPLATE_OF[facts.event.name]].category)


def receivers(api: API | None, product: Product | None, category: Category) -> QuerySet[User]:
    """Those subscribers of an API or a product who want such mails."""
    if api is not None:
        found = subscribers(Subscription.objects.opening(api))
    else:
        found = subscribers(Subscription.objects.filter(product=product, product__isnull=False))
    return preferences.wanting(found, category)


def write_next_batch() -> int:
    """Write mails of one mailing to at most BATCH people; returns how many. One that fails is set aside."""
    waiting = Mailing.objects.filter(finished_at=None, event__set_aside_at=None)
    mailing = waiting.select_related("event__by").order_by("pk").first()
    if mailing is None:
        return 0
    try:
        return _write_batch(mailing)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        set_aside(mailing.event, error)
        return 0


def _write_batch(mailing: Mailing) -> int:
    facts = facts_of(mailing.event)
    # The mails are made before the transaction begins, which SQLite lets nobody else write in.
    people = list(receivers_of(facts).filter(pk__gt=mailing.last_user).order_by("pk")[:BATCH])
    composed = _mails_to(people, facts, first=mailing.last_user == 0)
    mails = rows_of(composed, skip_unfit=True)
    if len(mails) < len(composed):
        logger.error("Mailing %s: %s addresses take no mail", mailing.pk, len(composed) - len(mails))
    with transaction.atomic():
        # Whoever goes on from the same person is the only one to do so.
        mine = Mailing.objects.filter(pk=mailing.pk, last_user=mailing.last_user, finished_at=None).update(
            last_user=people[-1].pk if people else mailing.last_user,
            mails=F("mails") + len(mails),
            finished_at=timezone.now() if len(people) < BATCH else None,
        )
        if not mine:
            return 0
        OutboxMail.objects.bulk_create(mails)
    return len(mails)


def _mails_to(people: list[User], facts: Facts, *, first: bool) -> list[Mail]:
    template = TEMPLATES[TEMPLATE_OF[facts.event.name]]
    text: Callable[[str], Text] = cache(lambda language: text_of(template, language))
    # Of all these mails the blind copy is of one.
    readers = list(recipients_of(Notification.BCC, facts.service)) if first else []
    sender = mail_server.sender()
    mails = []
    for user in people:
        with as_read_by(user):
            values, words = values_of(facts, user), text(get_language() or settings.LANGUAGE_CODE)
            mails.append(compose(template, user.email, values, user=user, text=words))
            copy = compose_copy(template, user.email, values, readers, text=words)
        if copy is not None:
            mails.append(copy)
            readers = []
    for mail in mails:
        mail.from_email, mail.is_bulk = sender, True
    return mails
