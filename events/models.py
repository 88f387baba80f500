"""What happened that somebody wants to hear of: the source of every mail and webhook."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone


class Event(models.Model):
    """A fact, written in the transaction that made it true, and told by the worker afterwards.

    `data` holds ids of rows and those values that must be told even when the rows are gone; never a
    key or another secret.
    """

    name = models.CharField(max_length=60)
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    data = models.JSONField(default=dict)
    told_at = models.DateTimeField(null=True, editable=False, help_text="When its mails and webhooks were queued.")

    class Meta:
        ordering = ["pk"]
        indexes = [
            # The worker asks what has not been told.
            models.Index(name="event_new", fields=["id"], condition=Q(told_at=None))
        ]

    def __str__(self) -> str:
        return self.name
