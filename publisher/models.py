"""The number that database triggers raise whenever the gateway's configuration changes."""

from django.db import models


class Revision(models.Model):
    """There is one row; `number` only grows."""

    number = models.BigIntegerField(default=0)

    class Meta:
        db_table = "gateway_revision"

    def __str__(self) -> str:
        return str(self.number)
