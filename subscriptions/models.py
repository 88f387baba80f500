"""Subscriptions, whose keys open the gateway."""

import uuid
from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from accounts.models import Team, User
from accounts.names import validate_name
from apis.models import API
from gateway.journal.record import RECORDED_KEY_BYTES
from subscriptions.prices import Price as Price
from subscriptions.products import Product as Product
from subscriptions.products import visible_apis as visible_apis

# In hexadecimal, as call records have it (gateway.journal.record).
DIGEST_START_CHARACTERS = 2 * RECORDED_KEY_BYTES


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    def usable(self, at: datetime) -> Self:
        return self.filter(state=Subscription.State.ACTIVE).exclude(expires_at__lte=at)

    def of(self, user: User) -> Self:
        """Those that a person may use: his own and those of his teams."""
        return self.filter(Q(owner=user) | Q(team__in=Team.objects.of(user)))

    def changeable_by(self, user: User) -> Self:
        """Those that a person may also change: his own and those of teams that he owns."""
        return self.filter(Q(owner=user) | Q(team__in=Team.objects.owned_by(user)))

    def live(self) -> Self:
        return self.filter(state__in=Subscription.LIVE)

    def unused_since(self, moment: datetime) -> Self:
        """Live ones that are older than that, and of whose keys none has been used since."""
        used = SubscriptionKey.objects.filter(subscription=OuterRef("pk"), last_used_at__gte=moment)
        return self.live().filter(~Exists(used), created_at__lt=moment)

    def opening(self, api: API) -> Self:
        """Subscriptions whose scope contains the API."""
        return self.filter(
            Q(product__in=Product.apis.through.objects.filter(api=api).values("product"))
            | Q(api=api)
            | Q(all_apis=True)
        )


class Subscription(models.Model):
    """The right to call a product, one API, or all APIs, with a pair of keys (Azure: subscription)."""

    class State(models.TextChoices):
        SUBMITTED = "submitted", _("Submitted")
        ACTIVE = "active", _("Active")
        SUSPENDED = "suspended", _("Suspended")
        REJECTED = "rejected", _("Rejected")
        CANCELLED = "cancelled", pgettext_lazy("a subscription", "Cancelled")
        EXPIRED = "expired", _("Expired")

    # Those that may be used some day; the others have ended, and nothing brings them back.
    LIVE = (State.SUBMITTED, State.ACTIVE, State.SUSPENDED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    display_name = models.CharField(_("name"), max_length=100, validators=[validate_name])
    # Without an owner its keys would go on as if it stood alone; `ownership.end_all_of` comes first.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="subscriptions",
    )
    team = models.ForeignKey(
        Team, verbose_name=_("team"), on_delete=models.PROTECT, null=True, blank=True, related_name="subscriptions"
    )
    product = models.ForeignKey(
        Product,
        verbose_name=_("product"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="subscriptions",
    )
    api = models.ForeignKey(
        API, on_delete=models.PROTECT, null=True, blank=True, related_name="subscriptions", verbose_name=_("API")
    )
    all_apis = models.BooleanField(_("all APIs"), default=False)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.ACTIVE, editable=False)
    state_comment = models.TextField(_("state comment"), blank=True, max_length=4000)
    terms_accepted = models.TextField(
        _("terms accepted"), blank=True, editable=False, help_text=_("The terms as they were accepted.")
    )
    allow_tracing = models.BooleanField(_("allow tracing"), default=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    started_at = models.DateTimeField(_("started at"), null=True, blank=True, editable=False)
    expires_at = models.DateTimeField(
        _("expiry date"), null=True, blank=True, help_text=_("Its keys stop working at this second.")
    )
    notice_at = models.DateTimeField(
        _("notice date"),
        null=True,
        blank=True,
        help_text=_("When the owner is told of the expiry, beside 30, 7 and 1 days before it."),
    )
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True, editable=False)

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                name="subscription_has_one_scope",
                condition=Q(product__isnull=False, api=None, all_apis=False)
                | Q(product=None, api__isnull=False, all_apis=False)
                | Q(product=None, api=None, all_apis=True),
                violation_error_message=_("Choose one scope: a product, one API, or all APIs."),
            ),
            models.CheckConstraint(
                name="subscription_has_one_owner_at_most",
                condition=Q(owner=None) | Q(team=None),
                violation_error_message=_("Choose one owner: a person, a team, or nobody."),
            ),
            models.CheckConstraint(
                name="subscription_notice_before_expiry",
                condition=Q(notice_at=None) | Q(expires_at__isnull=False, expires_at__gt=F("notice_at")),
                violation_error_message=_("The notice date must lie before an expiry date."),
            ),
        ]
        indexes = [
            # The worker asks each minute which active subscriptions have run out.
            models.Index(name="subscription_expiring", fields=["expires_at"], condition=Q(state="active")),
            # It asks as well of which ones the owner is to be told that they will.
            models.Index(name="subscription_notice", fields=["notice_at"], condition=Q(state="active")),
            # The admin lists the newest first, of all or of a state; its pages count requests that wait for approval.
            models.Index(name="subscription_newest", fields=["-created_at", "-id"]),
            models.Index(name="subscription_state_newest", fields=["state", "-created_at", "-id"]),
        ]

    def __str__(self) -> str:
        return self.display_name

    @property
    def scope_name(self) -> str:
        if self.product is not None:
            return self.product.name_in_history
        return self.api.display_name if self.api is not None else gettext("All APIs")

    @property
    def owner_name(self) -> str:
        """For administrators; empty where it stands alone."""
        if self.owner is not None:
            return self.owner.email
        return self.team.name if self.team is not None else ""

    @property
    def reason(self) -> str:
        """Why it is in its state: what an administrator wrote, or what has ended it."""
        return self.state_comment or self.cause

    @property
    def cause(self) -> str:
        """What has cancelled it where nobody wrote why: its product is gone, in the active language; else empty."""
        if self.state_comment or self.product is None or self.state != self.State.CANCELLED:
            return ""
        if self.product.deleted_at is None or self.product.deleted_at != self.ended_at:
            return ""
        return gettext("The product %(name)s is not offered any more.") % {"name": self.product.display_name}

    @property
    def is_live(self) -> bool:
        """Whether it can still be used some day: neither rejected, cancelled nor expired."""
        return self.state in self.LIVE


class SubscriptionEvent(models.Model):
    """A step in a subscription's life: what was done with it, by whom, when and why."""

    class Kind(models.TextChoices):
        STATE = "state", _("State")
        RENAMED = "renamed", _("Renamed")
        TRANSFERRED = "transferred", _("Transferred")
        DATES = "dates", _("Dates changed")
        KEY_REGENERATED = "key_regenerated", _("Key regenerated")
        KEY_SET = "key_set", _("Key set")
        OLD_KEY_ENDED = "old_key_ended", _("Old key ended")
        KEYS_SHOWN = "keys_shown", _("Keys shown")

    subscription = models.ForeignKey(
        Subscription, verbose_name=_("subscription"), on_delete=models.CASCADE, related_name="events"
    )
    at = models.DateTimeField(_("at"), auto_now_add=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("by"), on_delete=models.SET_NULL, null=True, related_name="+"
    )
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices, default=Kind.STATE, db_default=Kind.STATE)
    state = models.CharField(
        _("state"), max_length=10, choices=Subscription.State.choices, help_text=_("As it was afterwards.")
    )
    comment = models.TextField(_("comment"), blank=True, max_length=4000)
    # A name, a date, the start of a key: what the page shows beside the kind. Of a person only `new_owner` tells.
    detail = models.CharField(_("detail"), max_length=300, blank=True, default="", db_default="")
    new_owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("new owner"), on_delete=models.SET_NULL, null=True, related_name="+"
    )
    # Read by workers of the release before, which would mail of rows without a value. The next release drops it.
    announced_at = models.DateTimeField(_("announced at"), null=True, default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("subscription event")
        verbose_name_plural = _("subscription events")
        ordering = ["pk"]
        indexes = [
            # For the workers of the release before.
            models.Index(name="subscription_event_new", fields=["id"], condition=Q(announced_at=None))
        ]

    def __str__(self) -> str:
        what = self.get_state_display() if self.kind == self.Kind.STATE else self.get_kind_display()
        return f"{self.subscription}: {what}"

    @property
    def reason(self) -> str:
        """Why it was done: what somebody wrote, or, of the end of a subscription, what the subscription says."""
        is_the_end = self.kind == self.Kind.STATE and self.state == Subscription.State.CANCELLED
        return self.comment or (self.subscription.reason if is_the_end else "")


class ExpiryNotice(models.Model):
    """That a subscription's owner was told, at one of the moments for it, when it expires. Once for each."""

    subscription = models.ForeignKey(
        Subscription, verbose_name=_("subscription"), on_delete=models.CASCADE, related_name="expiry_notices"
    )
    moment = models.DateTimeField(_("moment"))

    class Meta:
        verbose_name = _("expiry notice")
        verbose_name_plural = _("expiry notices")
        constraints = [models.UniqueConstraint(fields=["subscription", "moment"], name="expiry_notice_once")]

    def __str__(self) -> str:
        return f"{self.subscription_id}: {self.moment:%Y-%m-%d %H:%M}"


class FormerKey(models.Model):
    """A key that was replaced and works no more, so that a call which still sends it can be explained.

    `digest_start` is what call records keep of a key: it tells the key from others, and opens nothing.
    """

    subscription = models.ForeignKey(
        Subscription, verbose_name=_("subscription"), on_delete=models.CASCADE, related_name="former_keys"
    )
    slot = models.CharField(_("slot"), max_length=10)
    digest_start = models.CharField(_("start of the digest"), max_length=16, db_index=True)
    prefix = models.CharField(_("prefix"), max_length=8)
    ended_at = models.DateTimeField(_("ended at"))

    class Meta:
        verbose_name = _("former key")
        verbose_name_plural = _("former keys")

    def __str__(self) -> str:
        return f"{self.prefix}…"


class SubscriptionKeyQuerySet(models.QuerySet["SubscriptionKey"]):
    def current(self) -> Self:
        return self.filter(ends_at=None)

    def old(self) -> Self:
        """Those that were replaced, and work until their end."""
        return self.exclude(ends_at=None)

    def retire(self, at: datetime) -> int:
        """Delete those that work no more, keeping by what their calls are known; returns how many."""
        with transaction.atomic():
            keys = list(self.select_for_update())
            FormerKey.objects.bulk_create(
                FormerKey(
                    subscription_id=key.subscription_id,
                    slot=key.slot,
                    digest_start=key.digest[:DIGEST_START_CHARACTERS],
                    prefix=key.prefix,
                    ended_at=min(key.ends_at or at, at),
                )
                for key in keys
            )
            SubscriptionKey.objects.filter(pk__in=[key.pk for key in keys]).delete()
        return len(keys)


class SubscriptionKey(models.Model):
    """One of the two keys of a subscription, or one that it replaced and that still works for a while.

    Found by its digest, shown again by decryption; of an old one there is nothing to decrypt.
    """

    class Slot(models.TextChoices):
        PRIMARY = "primary", _("Primary")
        SECONDARY = "secondary", _("Secondary")

    subscription = models.ForeignKey(
        Subscription, verbose_name=_("subscription"), on_delete=models.CASCADE, related_name="keys"
    )
    slot = models.CharField(_("slot"), max_length=10, choices=Slot.choices)
    digest = models.CharField(_("digest"), max_length=64, unique=True, editable=False)
    ciphertext = models.TextField(_("ciphertext"), editable=False)
    prefix = models.CharField(_("prefix"), max_length=8, editable=False, help_text=_("The visible start of the key."))
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    ends_at = models.DateTimeField(
        _("ends at"), null=True, editable=False, help_text=_("Until when a key that was replaced works.")
    )
    last_used_at = models.DateTimeField(_("last used at"), null=True, editable=False)
    last_used_from = models.CharField(
        _("last used from"), max_length=45, blank=True, default="", db_default="", editable=False
    )

    objects = SubscriptionKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("subscription key")
        verbose_name_plural = _("subscription keys")
        constraints = [
            models.UniqueConstraint(
                fields=["subscription", "slot"], condition=Q(ends_at=None), name="subscription_key_one_per_slot"
            ),
            models.UniqueConstraint(
                fields=["subscription", "slot"],
                condition=Q(ends_at__isnull=False),
                name="subscription_key_one_old_per_slot",
            ),
        ]
        indexes = [
            # The worker asks each minute which old keys have ended.
            models.Index(name="subscription_key_old", fields=["ends_at"], condition=Q(ends_at__isnull=False))
        ]

    def __str__(self) -> str:
        return gettext("%(slot)s key %(prefix)s…") % {
            "slot": self.get_slot_display(),
            "prefix": self.prefix,
        }
