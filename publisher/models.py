"""What database triggers note whenever the gateway's configuration changes."""

from django.db import models
from django.db.models import Q


class Revision(models.Model):
    """There is one row. `number` only grows, with each change.

    `catalogue` is what it was after the last change of anything but subscriptions. Subscriptions
    that changed after `log_start` are all in the log.
    """

    number = models.BigIntegerField(default=0)
    catalogue = models.BigIntegerField(db_default=0)
    log_start = models.BigIntegerField(db_default=0)

    class Meta:
        db_table = "gateway_revision"

    def __str__(self) -> str:
        return str(self.number)


class SubscriptionChange(models.Model):
    """An entry of the log: a subscription, or some or all of an owner, came, changed or went.

    `revision` is the number after the change. PostgreSQL fills it in when the transaction of this id
    commits, for the order is not known before.
    """

    revision = models.BigIntegerField(null=True)
    subscription = models.UUIDField(null=True)
    owner = models.BigIntegerField(null=True)
    transaction_id = models.BigIntegerField(null=True)

    class Meta:
        db_table = "gateway_subscription_change"
        indexes = [
            # The publisher asks for what came after a number.
            models.Index(name="subscription_change_revision", fields=["revision"]),
            # A trigger numbers what its transaction has changed.
            models.Index(name="subscription_change_pending", fields=["transaction_id"], condition=Q(revision=None)),
        ]

    def __str__(self) -> str:
        return f"{self.revision}: {self.subscription or self.owner}"
