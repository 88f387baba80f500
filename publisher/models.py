"""What database triggers note whenever the gateway's configuration changes."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Revision(models.Model):
    """There is one row. `number` only grows, with each change.

    `catalogue` is what it was after the last change of anything but subscriptions. Subscriptions
    that changed after `log_start` are all in the log.
    """

    number = models.BigIntegerField(_("number"), default=0)
    catalogue = models.BigIntegerField(_("catalogue"), db_default=0)
    log_start = models.BigIntegerField(_("log start"), db_default=0)

    class Meta:
        verbose_name = _("revision")
        verbose_name_plural = _("revisions")
        db_table = "gateway_revision"

    def __str__(self) -> str:
        return str(self.number)


class SubscriptionChange(models.Model):
    """An entry of the log: a subscription, or some or all of an owner, came, changed or went.

    `revision` is the number after the change. PostgreSQL fills it in when the transaction of this id
    commits, for the order is not known before.
    """

    revision = models.BigIntegerField(_("revision"), null=True)
    subscription = models.UUIDField(_("subscription"), null=True)
    owner = models.BigIntegerField(_("owner"), null=True)
    transaction_id = models.BigIntegerField(_("transaction ID"), null=True)

    class Meta:
        verbose_name = _("subscription change")
        verbose_name_plural = _("subscription changes")
        db_table = "gateway_subscription_change"
        indexes = [
            # The publisher asks for what came after a number.
            models.Index(name="subscription_change_revision", fields=["revision"]),
            # A trigger numbers what its transaction has changed.
            models.Index(name="subscription_change_pending", fields=["transaction_id"], condition=Q(revision=None)),
        ]

    def __str__(self) -> str:
        return f"{self.revision}: {self.subscription or self.owner}"
