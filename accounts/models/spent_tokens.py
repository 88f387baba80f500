"""Tokens of an own site that have done their work."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class SpentToken(models.Model):
    """A token of another site that has signed somebody in, kept until it expires so that it works once."""

    digest = models.CharField(_("digest"), max_length=64, primary_key=True)
    expires_at = models.DateTimeField(_("expires at"), db_index=True)

    class Meta:
        verbose_name = _("spent token")
        verbose_name_plural = _("spent tokens")

    def __str__(self) -> str:
        return self.digest
