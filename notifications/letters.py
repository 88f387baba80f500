"""Which mails an event makes, and who gets them."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import translation

from accounts.localization import as_read_by
from accounts.models import TeamMembership, User
from events import names
from events.models import Event
from feedback.models import Issue, is_publisher
from notifications import mailing, preferences
from notifications.catalogue import TEMPLATES
from notifications.facts import Facts, facts_of, values_of
from notifications.mails import compose, compose_copy
from notifications.publisher import Notification, recipients_of, with_people
from subscriptions.models import Subscription

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Receiver:
    """A person, or an address that belongs to nobody whom we know."""

    email: str
    user: User | None = None


Receivers = Callable[[Facts], Iterable[Receiver]]


def _subscribers(facts: Facts) -> Iterator[Receiver]:
    """The owner of the subscription, or everybody in the team that owns it."""
    if facts.subscription is not None:
        for user in _people_of(facts.subscription):
            yield Receiver(user.email, user)


def _people_of(subscription: Subscription) -> QuerySet[User]:
    members = TeamMembership.objects.filter(team=subscription.team_id).values("user")
    people = User.objects.filter(Q(pk=subscription.owner_id) | Q(pk__in=members))
    return people.exclude(state=User.State.DELETED).order_by("pk")


def _person(facts: Facts) -> Iterator[Receiver]:
    if facts.user is not None:
        yield Receiver(facts.user.email, facts.user)


def _address(facts: Facts) -> Iterator[Receiver]:
    """The address that the event itself holds: the account does not have it any more."""
    if email := facts.data.get("email"):
        yield Receiver(str(email))


def _active_person(facts: Facts) -> Iterator[Receiver]:
    if facts.user is not None and facts.user.is_active:
        yield from _person(facts)


def _unless_oneself(facts: Facts) -> Iterator[Receiver]:
    if facts.user is not None and facts.user != facts.event.by:
        yield from _person(facts)


def _former_members(facts: Facts) -> Iterator[Receiver]:
    """Those whom the event lists, but who did it: the team has no members any more."""
    former = User.objects.filter(pk__in=facts.data.get("members", ()), state=User.State.ACTIVE)
    for user in former.order_by("pk"):
        if user != facts.event.by:
            yield Receiver(user.email, user)


def _publisher(notification: Notification) -> Receivers:
    def receivers(facts: Facts) -> Iterator[Receiver]:
        for email, user in recipients_of(notification, facts.service).items():
            yield Receiver(email, user)

    return receivers


def _listed(facts: Facts) -> Iterator[Receiver]:
    """Those whom the event itself lists: the recipients of an alert rule, as they were when it fired."""
    for email, user in with_people(facts.data.get("recipients", ())).items():
        yield Receiver(email, user)


def _publisher_of_own(notification: Notification) -> Receivers:
    """The publisher, where the developers themselves did it: what an administrator did is known to him."""

    def receivers(facts: Facts) -> Iterator[Receiver]:
        by = facts.event.by
        if by is not None and facts.subscription is not None and by in _people_of(facts.subscription):
            yield from _publisher(notification)(facts)

    return receivers


def _publisher_of_posts(notification: Notification) -> Receivers:
    """The publisher, where a developer wrote something that is still there."""

    def receivers(facts: Facts) -> Iterator[Receiver]:
        by = facts.event.by
        if _is_there(facts) and not (by is not None and is_publisher(by)):
            yield from _publisher(notification)(facts)

    return receivers


def _followers(facts: Facts) -> Iterator[Receiver]:
    """Who follows the issue and may still see it, but for the one who did it."""
    if facts.issue is None or not _is_there(facts):
        return
    for user in facts.issue.followers.filter(state=User.State.ACTIVE).order_by("pk"):
        if user != facts.event.by and Issue.objects.visible_to(user).filter(pk=facts.issue.pk).exists():
            yield Receiver(user.email, user)


def _is_there(facts: Facts) -> bool:
    """Whether nobody has removed meanwhile what the event is about."""
    is_comment = "comment_id" in facts.data
    return facts.issue is not None and (facts.issue_comment is not None or not is_comment)


# What an event makes: templates, each with its receivers.
LETTERS: Mapping[str, tuple[tuple[str, Receivers], ...]] = {
    names.SUBSCRIPTION_REQUESTED: (
        ("requestPublisherNotificationMessage", _publisher_of_own(Notification.REQUEST)),
        ("requestDeveloperNotificationMessage", _subscribers),
    ),
    names.SUBSCRIPTION_ACTIVATED: (
        ("purchasePublisherNotificationMessage", _publisher_of_own(Notification.PURCHASE)),
        ("purchaseDeveloperNotificationMessage", _subscribers),
    ),
    names.SUBSCRIPTION_RESUMED: (("resumeDeveloperNotificationMessage", _subscribers),),
    names.SUBSCRIPTION_REJECTED: (("rejectDeveloperNotificationMessage", _subscribers),),
    names.SUBSCRIPTION_SUSPENDED: (("suspendDeveloperNotificationMessage", _subscribers),),
    names.SUBSCRIPTION_CANCELLED: (("cancelDeveloperNotificationMessage", _subscribers),),
    names.SUBSCRIPTION_EXPIRED: (("expireDeveloperNotificationMessage", _subscribers),),
    names.SUBSCRIPTION_EXPIRING: (("expiringDeveloperNotificationMessage", _subscribers),),
    names.SUBSCRIPTION_KEY_REGENERATED: (("keyRegeneratedDeveloperNotificationMessage", _subscribers),),
    names.SUBSCRIPTION_KEY_SET: (("keyRegeneratedDeveloperNotificationMessage", _subscribers),),
    names.QUOTA_APPROACHING: (
        ("quotaLimitApproachingPublisherNotificationMessage", _publisher(Notification.QUOTA)),
        ("quotaLimitApproachingDeveloperNotificationMessage", _subscribers),
    ),
    names.QUOTA_REACHED: (
        ("quotaLimitApproachingPublisherNotificationMessage", _publisher(Notification.QUOTA)),
        ("quotaReachedDeveloperNotificationMessage", _subscribers),
    ),
    names.ALERT_FIRED: (("alertFiredPublisher", _listed),),
    names.ALERT_RESOLVED: (("alertResolvedPublisher", _listed),),
    names.USER_SIGNED_UP: (("newDeveloperNotificationMessage", _active_person),),
    names.USER_WAITING: (("signUpRequestPublisherNotificationMessage", _publisher(Notification.SIGN_UP)),),
    names.USER_APPROVED: (("newDeveloperNotificationMessage", _person),),
    names.USER_REJECTED: (("accountRejectedDeveloper", _person),),
    names.USER_BLOCKED: (("accountBlockedDeveloper", _person),),
    names.USER_ACTIVATED: (("accountActivatedDeveloper", _person),),
    names.USER_SIGNED_IN_FROM_NEW_DEVICE: (("newDeviceSignInNotificationMessage", _person),),
    names.USER_CLOSED: (
        ("accountClosedPublisher", _publisher(Notification.ACCOUNT_CLOSED)),
        ("accountClosedDeveloper", _address),
    ),
    names.WEBHOOK_SWITCHED_OFF: (("webhookSwitchedOffPublisher", _publisher(Notification.WEBHOOK)),),
    names.TEAM_DELETED: (("teamDeletedNotificationMessage", _former_members),),
    names.TEAM_MEMBER_JOINED: (("teamMemberAddedNotificationMessage", _unless_oneself),),
    names.TEAM_MEMBER_ROLE_CHANGED: (("teamRoleChangedNotificationMessage", _unless_oneself),),
    names.TEAM_MEMBER_REMOVED: (("teamMemberRemovedNotificationMessage", _person),),
    names.APPLICATION_SUBMITTED: (("newApplicationNotificationMessage", _publisher(Notification.APPLICATION)),),
    names.APPLICATION_APPROVED: (("applicationApprovedNotificationMessage", _person),),
    names.ISSUE_OPENED: (
        ("newIssuePublisherNotificationMessage", _publisher_of_posts(Notification.ISSUE)),
        ("newIssueNotificationMessage", _person),
    ),
    names.ISSUE_COMMENTED: (
        ("newIssuePublisherNotificationMessage", _publisher_of_posts(Notification.ISSUE)),
        ("newCommentNotificationMessage", _followers),
    ),
    names.ISSUE_STATE_CHANGED: (("issueStateNotificationMessage", _followers),),
}


def write(event: Event) -> None:
    """Write the event's mails into the outbox, in the transaction that marks it as told."""
    mailing.begin(event)
    if event.name not in LETTERS:
        return
    facts = facts_of(event)
    for template, receivers in LETTERS[event.name]:
        for receiver in receivers(facts):
            _write_one(template, receiver, facts)


def _write_one(name: str, receiver: Receiver, facts: Facts) -> None:
    template, user = TEMPLATES[name], receiver.user
    if user is not None and not preferences.wants(user, template.category):
        return
    with as_read_by(user) if user is not None else translation.override(settings.LANGUAGE_CODE):
        values = values_of(facts, user)
        try:
            compose(template, receiver.email, values, user=user).send()
            copy = compose_copy(template, receiver.email, values, recipients_of(Notification.BCC, facts.service))
            if copy is not None:
                copy.send()
        except ValueError:
            # No later attempt could do better: the address or the text is not fit for a mail.
            logger.exception("No mail %s about event %s", name, facts.event.pk)
