"""Invitations to the portal."""

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from accounts.address_rules import MAX_LENGTH, refuse_encoded_words
from accounts.models.groups import Group
from accounts.models.people import User
from accounts.names import validate_name


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self) -> Self:
        """Those that wait to be accepted; their links may have expired, and can be sent again."""
        return self.filter(accepted_at=None, revoked_at=None)


class Invitation(models.Model):
    """A link by mail, with which one person makes an account (Azure: invite)."""

    email = models.EmailField(_("e-mail address"), max_length=MAX_LENGTH, validators=[refuse_encoded_words])
    first_name = models.CharField(_("first name"), max_length=100, blank=True, validators=[validate_name])
    last_name = models.CharField(_("last name"), max_length=100, blank=True, validators=[validate_name])
    note = models.TextField(_("note"), blank=True, max_length=2000, help_text=_("Stands in the mail."))
    groups = models.ManyToManyField(
        Group, verbose_name=_("groups"), blank=True, related_name="+", limit_choices_to={"built_in": False}
    )
    # Of the link's token, which is in the mail and nowhere else.
    digest = models.CharField(_("digest"), max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(
        User, verbose_name=_("invited by"), on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    sent_at = models.DateTimeField(_("sent"), editable=False)
    expires_at = models.DateTimeField(_("expires"), editable=False)
    accepted_at = models.DateTimeField(_("accepted at"), null=True, editable=False)
    accepted_by = models.ForeignKey(
        User, verbose_name=_("accepted by"), on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    revoked_at = models.DateTimeField(_("revoked at"), null=True, editable=False)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        ordering = ["-sent_at"]
        constraints = [
            models.UniqueConstraint(
                Lower("email"), name="invitation_open_once", condition=Q(accepted_at=None, revoked_at=None)
            )
        ]

    def __str__(self) -> str:
        return self.email

    def is_usable(self, at: datetime) -> bool:
        return self.accepted_at is None and self.revoked_at is None and at < self.expires_at
