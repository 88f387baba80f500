"""What happened that somebody wants to hear of: the source of every mail and webhook."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class EventQuerySet(models.QuerySet["Event"]):
    def to_tell(self) -> Self:
        return self.filter(told_at=None, set_aside_at=None)

    def set_aside(self) -> Self:
        return self.filter(set_aside_at__isnull=False)


class Event(models.Model):
    """A fact, written in the transaction that made it true, and told by the worker afterwards.

    `data` holds ids of rows and those values that must be told even when the rows are gone; never a
    key or another secret.
    """

    name = models.CharField(_("name"), max_length=60)
    at = models.DateTimeField(_("at"), default=timezone.now)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("by"), on_delete=models.SET_NULL, null=True, related_name="+"
    )
    data = models.JSONField(_("data"), default=dict)
    told_at = models.DateTimeField(
        _("told at"), null=True, editable=False, help_text=_("When its mails and webhooks were queued.")
    )

    set_aside_at = models.DateTimeField(
        _("set aside at"), null=True, editable=False, help_text=_("When it could not be told, and the others went on.")
    )
    problem = models.CharField(_("problem"), max_length=500, blank=True, default="", db_default="", editable=False)

    objects = EventQuerySet.as_manager()

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["pk"]
        indexes = [
            # The worker asks what has not been told.
            models.Index(name="event_new", fields=["id"], condition=Q(told_at=None)),
            # The admin's start page counts those that could not be told.
            models.Index(name="event_set_aside", fields=["id"], condition=Q(set_aside_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.name}"
