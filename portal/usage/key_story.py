"""Which of a person's own keys a call has sent, and what has become of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Left
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from subscriptions.models import DIGEST_START_CHARACTERS, FormerKey, Subscription, SubscriptionKey

Slot = SubscriptionKey.Slot


@dataclass(frozen=True, slots=True)
class KnownKey:
    """`ended_at` is None for a key that was not replaced."""

    subscription: Subscription
    slot: Slot
    prefix: str
    ended_at: datetime | None

    def __str__(self) -> str:
        """Such as "Primary key 4f2a… of Laptop"."""
        texts = {"slot": self.slot.label, "prefix": self.prefix, "subscription": self.subscription.display_name}
        return _("%(slot)s key %(prefix)s… of %(subscription)s") % texts

    @property
    def story(self) -> str:
        """What has become of it; empty where it may still be used."""
        if self.ended_at is not None:
            told = _("%(key)s: it was replaced by a new key, and stopped working at %(time)s.")
            return told % {"key": self, "time": date_format(localtime(self.ended_at), "DATETIME_FORMAT")}
        if self.subscription.state != Subscription.State.ACTIVE:
            told = _("%(key)s: the subscription is in this state now: %(state)s.")
            return told % {"key": self, "state": self.subscription.get_state_display()}
        return ""


def with_digests(subscriptions: Mapping[UUID, Subscription], starts: Iterable[str]) -> dict[str, KnownKey]:
    """The keys of these subscriptions whose digests begin so, by that. Two queries."""
    wanted = {start for start in starts if start}
    return _known(subscriptions, Q(start__in=wanted), Q(digest_start__in=wanted)) if wanted else {}


def with_prefix(subscriptions: Mapping[UUID, Subscription], prefix: str) -> dict[str, KnownKey]:
    """The keys of these subscriptions that begin so, by the starts of their digests. Two queries."""
    return _known(subscriptions, Q(prefix=prefix), Q(prefix=prefix))


def _known(subscriptions: Mapping[UUID, Subscription], which: Q, which_former: Q) -> dict[str, KnownKey]:
    own = list(subscriptions)
    former = FormerKey.objects.filter(which_former, subscription__in=own).order_by("pk")
    found = {row.digest_start: _key(subscriptions, row, row.ended_at) for row in former}
    present = SubscriptionKey.objects.annotate(start=Left("digest", DIGEST_START_CHARACTERS))
    for row in present.filter(which, subscription__in=own):
        found[row.digest[:DIGEST_START_CHARACTERS]] = _key(subscriptions, row, row.ends_at)
    return found


def _key(
    subscriptions: Mapping[UUID, Subscription], row: SubscriptionKey | FormerKey, ended_at: datetime | None
) -> KnownKey:
    return KnownKey(subscriptions[row.subscription_id], Slot(row.slot), row.prefix, ended_at)
