"""Webhooks: who is told of events over HTTP, what was sent, and what was answered."""

import uuid

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

ALL_EVENTS = "*"
GROUP_END = ".*"


class Endpoint(models.Model):
    """An address of somebody who wants to hear of events."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    url = models.CharField(_("URL"), max_length=500)
    allows_http = models.BooleanField(
        _("http is allowed"),
        default=False,
        help_text=_("Then anybody on the way can read what is sent. The signature still shows that it is genuine."),
    )
    description = models.TextField(_("description"), blank=True, max_length=1000)
    events = models.JSONField(
        _("events"), default=list, help_text=_("Names such as user.closed, groups such as user.*, or * for all.")
    )
    is_active = models.BooleanField(_("active"), default=True)
    sealed_secret = models.TextField(_("sealed secret"), editable=False)
    sealed_old_secret = models.TextField(_("sealed old secret"), blank=True, editable=False)
    old_secret_ends_at = models.DateTimeField(_("old secret ends at"), null=True, editable=False)
    sealed_headers = models.TextField(_("sealed headers"), blank=True, editable=False)
    failing_since = models.DateTimeField(
        _("failing since"), null=True, editable=False, help_text=_("The first attempt that failed after a success.")
    )
    last_success_at = models.DateTimeField(_("last success"), null=True, editable=False)
    switched_off_because = models.CharField(_("switched off because"), max_length=300, blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def wants(self, event: str) -> bool:
        return any(
            pattern in (ALL_EVENTS, event) or (pattern.endswith(GROUP_END) and event.startswith(pattern[:-1]))
            for pattern in self.events
        )


class Delivery(models.Model):
    """One event for one endpoint, written in the transaction that marks the event as told, sent by the worker."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    endpoint = models.ForeignKey(
        Endpoint, verbose_name=_("webhook"), on_delete=models.CASCADE, related_name="deliveries"
    )
    event = models.ForeignKey(
        "events.Event", verbose_name=_("event"), on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    message_id = models.UUIDField(
        _("message ID"), default=uuid.uuid4, help_text=_("The same in each attempt and for each webhook of an event.")
    )
    type = models.CharField(_("event"), max_length=60)
    body = models.TextField(_("body"), help_text=_("As it is signed and sent."))
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt at"), default=timezone.now)
    last_result = models.CharField(_("last result"), max_length=300, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "event"], name="webhook_delivery_once"),
            models.CheckConstraint(
                name="webhook_delivery_ends",
                condition=Q(state="waiting", finished_at=None) | (~Q(state="waiting") & Q(finished_at__isnull=False)),
            ),
        ]
        indexes = [
            # The worker asks of each endpoint what is due.
            models.Index(
                F("endpoint"), F("next_attempt_at"), F("id"), name="webhook_delivery_due", condition=Q(state="waiting")
            ),
            # The worker asks what is old.
            models.Index(name="webhook_delivery_old", fields=["created_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.message_id}"


class Attempt(models.Model):
    """A request that was made, and its answer. Secrets among the headers are not kept."""

    delivery = models.ForeignKey(
        Delivery, verbose_name=_("delivery"), on_delete=models.CASCADE, related_name="attempt_log"
    )
    at = models.DateTimeField(_("at"))
    milliseconds = models.PositiveIntegerField(_("milliseconds"))
    headers = models.JSONField(_("request headers"), default=dict)
    status = models.PositiveSmallIntegerField(_("status"), null=True)
    answer = models.TextField(_("answer"), blank=True, help_text=_("Its first 2 KB."))
    error = models.CharField(_("error"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.error or str(self.status)
