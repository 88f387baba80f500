"""The outbox: mail that waits to be sent, was sent, or cannot be."""

from django.db import models
from django.db.models import Q
from django.utils import timezone


class OutboxMail(models.Model):
    """One mail, written in the transaction of what it tells of, sent by the worker."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed"

    message = models.BinaryField(help_text="The message as bytes (RFC 5322); empty once it was sent.")
    sender = models.CharField(max_length=320)
    recipients = models.JSONField()
    subject = models.CharField(max_length=998)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    last_error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "mail"
        ordering = ["-pk"]
        indexes = [
            # The worker asks what is due.
            models.Index(name="outbox_due", fields=["next_attempt_at"], condition=Q(state="waiting")),
            # The worker asks what was sent long ago.
            models.Index(name="outbox_sent", fields=["sent_at"], condition=Q(state="sent")),
        ]

    def __str__(self) -> str:
        return self.subject
