"""Rules that watch usage, and what became of them."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.names import validate_name
from alerts.conditions import Limits
from apis.models import API
from notifications.alert_words import Metric
from notifications.models import Recipients
from subscriptions.models import Product, Subscription

MOST_MINUTES = 24 * 60
LARGEST_VALUE = 1e12


class Window(models.IntegerChoices):
    """Whole quarters of an hour, as usage is summed by these."""

    QUARTER = 15, _("15 minutes")
    HALF_HOUR = 30, _("30 minutes")
    HOUR = 60, _("1 hour")
    TWO_HOURS = 120, _("2 hours")
    FOUR_HOURS = 240, _("4 hours")
    EIGHT_HOURS = 480, _("8 hours")
    TWELVE_HOURS = 720, _("12 hours")
    DAY = 1440, _("1 day")


class Unknown(models.TextChoices):
    """Why a rule has no value."""

    STANDSTILL = "standstill", _("Calls are not counted at the moment")
    FEW_CALLS = "fewCalls", _("Too few calls")
    NO_CALLS = "noCalls", _("No calls")
    NO_QUOTA = "noQuota", _("No quota has been used")


class AlertRule(Recipients):
    """Tells people when usage leaves its limits, and when it is back (Azure Monitor: metric alert rule).

    Watches one API, product or subscription, or everything. What the worker writes is below `state`.
    """

    Metric = Metric

    class State(models.TextChoices):
        OK = "ok", _("OK")
        FIRING = "firing", _("Firing")

    name = models.CharField(_("name"), max_length=100, unique=True, validators=[validate_name])
    is_enabled = models.BooleanField(_("enabled"), default=True)
    metric = models.CharField(_("fires on"), max_length=20, choices=Metric.choices, default=Metric.ERROR_RATE)
    threshold = models.FloatField(
        _("threshold"),
        validators=[MinValueValidator(0), MaxValueValidator(LARGEST_VALUE)],
        help_text=_("From this value on the rule fires; for a number of calls, below it."),
    )
    clears_at = models.FloatField(
        _("over at"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(LARGEST_VALUE)],
        help_text=_(
            "The alert is over when the value is below this; for a number of calls, from this on. Empty: the "
            "threshold. With some distance to it, an alert does not come and go around the threshold."
        ),
    )
    api = models.ForeignKey(
        API, models.CASCADE, null=True, blank=True, related_name="alert_rules", verbose_name=_("API")
    )
    product = models.ForeignKey(
        Product, models.CASCADE, null=True, blank=True, related_name="alert_rules", verbose_name=_("product")
    )
    subscription = models.ForeignKey(
        Subscription, models.CASCADE, null=True, blank=True, related_name="alert_rules", verbose_name=_("subscription")
    )
    window_minutes = models.PositiveSmallIntegerField(
        _("looks back"),
        choices=Window.choices,
        default=Window.HALF_HOUR,
        help_text=_("So much, and up to 15 minutes more: calls are summed by quarters of an hour."),
    )
    least_calls = models.PositiveIntegerField(
        _("least number of calls"),
        default=20,
        validators=[MinValueValidator(1), MaxValueValidator(2**31 - 1)],
        help_text=_(
            "With fewer calls in that time the rule neither fires nor ends, so that one failure of one call does not "
            "alarm anybody. Of no meaning for a number of calls and for quotas."
        ),
    )
    fire_after_minutes = models.PositiveSmallIntegerField(
        _("fires after minutes"),
        default=0,
        validators=[MaxValueValidator(MOST_MINUTES)],
        help_text=_("For so long the value has to be beyond the threshold without a break. 0: at once."),
    )
    clear_after_minutes = models.PositiveSmallIntegerField(
        _("over after minutes"),
        default=10,
        validators=[MaxValueValidator(MOST_MINUTES)],
        help_text=_("For so long the value has to be good again without a break."),
    )
    note = models.TextField(
        _("what to do"),
        blank=True,
        max_length=2000,
        help_text=_("Stands in the mail, such as whom to call or where the instructions are. Not sent to webhooks."),
    )

    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.OK, editable=False)
    state_since = models.DateTimeField(_("since"), null=True, editable=False)
    told_state = models.CharField(
        _("told state"),
        max_length=10,
        choices=State.choices,
        default=State.OK,
        editable=False,
        help_text=_("What people were told last."),
    )
    holds_since = models.DateTimeField(
        _("holds since"), null=True, editable=False, help_text=_("Since when the value asks for the other state.")
    )
    checked_at = models.DateTimeField(_("checked at"), null=True, editable=False)
    value = models.FloatField(_("value"), null=True, editable=False)
    unknown = models.CharField(_("no value"), max_length=20, choices=Unknown.choices, blank=True, editable=False)
    worst_subscription = models.UUIDField(
        _("worst subscription"), null=True, editable=False, help_text=_("Whose quota is used most.")
    )
    muted_until = models.DateTimeField(_("muted until"), null=True, editable=False)
    acknowledged_at = models.DateTimeField(_("acknowledged at"), null=True, editable=False)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("acknowledged by"),
    )

    class Meta:
        verbose_name = _("alert rule")
        verbose_name_plural = _("alert rules")
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                name="alert_rule_watches_one_thing",
                condition=Q(api=None, product=None)
                | Q(api=None, subscription=None)
                | Q(product=None, subscription=None),
                violation_error_message=_("Choose one of API, product and subscription, or none of them."),
            ),
            models.CheckConstraint(
                name="alert_rule_ends_on_the_good_side",
                condition=Q(clears_at=None)
                | Q(metric=Metric.CALLS, clears_at__gte=F("threshold"))
                | (~Q(metric=Metric.CALLS) & Q(clears_at__lte=F("threshold"))),
                violation_error_message=_(
                    "The value at which the alert is over lies on the good side of the threshold: below it, and for a "
                    "number of calls above it."
                ),
            ),
            models.CheckConstraint(
                name="alert_rule_quotas_are_of_products",
                condition=~Q(metric=Metric.QUOTA) | Q(api=None),
                violation_error_message=_("Quotas belong to products and subscriptions, not to APIs."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.metric == Metric.CALLS and self.threshold is not None and self.threshold < 1:
            raise ValidationError({"threshold": gettext("There are never fewer calls than none: give 1 or more.")})

    @property
    def limits(self) -> Limits:
        return Limits(
            threshold=self.threshold,
            clears_at=self.threshold if self.clears_at is None else self.clears_at,
            is_least=self.metric == Metric.CALLS,
            fire_after=timedelta(minutes=self.fire_after_minutes),
            clear_after=timedelta(minutes=self.clear_after_minutes),
        )

    @property
    def watched(self) -> str:
        """The name of what the rule watches; empty for everything."""
        one: Any = self.api or self.product or self.subscription
        return one.display_name if one is not None else ""

    def is_muted(self, now: datetime) -> bool:
        return self.muted_until is not None and self.muted_until > now


class AlertChange(models.Model):
    """That an alert fired or was over, or that somebody did something about it."""

    class Kind(models.TextChoices):
        FIRED = "fired", _("Fired")
        RESOLVED = "resolved", _("Over")
        ACKNOWLEDGED = "acknowledged", _("Acknowledged")
        MUTED = "muted", _("Muted")
        UNMUTED = "unmuted", _("No longer muted")
        RESET = "reset", _("Changed or switched off")

    rule = models.ForeignKey(AlertRule, models.CASCADE, related_name="changes", verbose_name=_("alert rule"))
    at = models.DateTimeField(_("at"))
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    metric = models.CharField(_("fires on"), max_length=20, choices=Metric.choices)
    value = models.FloatField(_("value"), null=True)
    threshold = models.FloatField(_("threshold"))
    calls = models.PositiveBigIntegerField(_("calls"), null=True)
    subscription_id = models.UUIDField(_("subscription ID"), null=True)
    told = models.JSONField(_("told"), default=list, help_text=_("The addresses that a mail went to."))
    told_at = models.DateTimeField(_("told at"), null=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("by"))
    until = models.DateTimeField(_("until"), null=True)

    class Meta:
        verbose_name = _("change of an alert")
        verbose_name_plural = _("changes of alerts")
        ordering = ["-pk"]
        # A rule's page shows its latest, the worker deletes old ones.
        indexes = [models.Index(name="alert_change_at", fields=["at"])]

    def __str__(self) -> str:
        return f"{self.rule_id}: {self.kind}"
