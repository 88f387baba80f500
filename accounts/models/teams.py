"""Teams, their members, and who is asked to join them."""

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.address_rules import MAX_LENGTH, refuse_encoded_words
from accounts.models.people import User
from accounts.names import validate_name


class TeamQuerySet(models.QuerySet["Team"]):
    def of(self, user: User) -> Self:
        """The teams that a person belongs to."""
        return self.filter(memberships__user=user)

    def owned_by(self, user: User) -> Self:
        """The teams that a person may act for."""
        return self.filter(memberships__user=user, memberships__role=TeamMembership.Role.OWNER)


class Team(models.Model):
    """People who share subscriptions, so that none of them ends with the one who made it.

    A deleted team has neither members nor live subscriptions; its row stays for the history of those that ended.
    """

    name = models.CharField(_("name"), max_length=100, validators=[validate_name])
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    deleted_at = models.DateTimeField(_("deleted at"), null=True, blank=True, editable=False)
    members = models.ManyToManyField(User, verbose_name=_("members"), through="TeamMembership", related_name="teams")

    objects = TeamQuerySet.as_manager()

    class Meta:
        verbose_name = _("team")
        verbose_name_plural = _("teams")
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name


class TeamRole(models.TextChoices):
    OWNER = "owner", _("Owner")
    MEMBER = "member", _("Member")


class TeamMembership(models.Model):
    """Members use a team's subscriptions and see its keys; owners also change them and the team."""

    Role = TeamRole

    team = models.ForeignKey(Team, verbose_name=_("team"), on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, verbose_name=_("user"), on_delete=models.CASCADE, related_name="team_memberships")
    role = models.CharField(_("role"), max_length=10, choices=TeamRole.choices, default=TeamRole.MEMBER)
    joined_at = models.DateTimeField(_("joined at"), auto_now_add=True)

    class Meta:
        verbose_name = _("team membership")
        verbose_name_plural = _("team memberships")
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="team_membership_once")]

    def __str__(self) -> str:
        return f"{self.user}: {self.get_role_display()}"

    @property
    def is_owner(self) -> bool:
        return self.role == TeamRole.OWNER


class TeamInvitationQuerySet(models.QuerySet["TeamInvitation"]):
    def open(self, at: datetime) -> Self:
        """Those that can be accepted."""
        return self.filter(ended_at=None, expires_at__gt=at)


class TeamInvitation(models.Model):
    """Somebody is asked by e-mail to join a team. The link in the mail works once; here is its digest only."""

    class Outcome(models.TextChoices):
        ACCEPTED = "accepted", _("Accepted")
        DECLINED = "declined", _("Declined")
        REVOKED = "revoked", _("Revoked")

    team = models.ForeignKey(Team, verbose_name=_("team"), on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField(_("e-mail address"), max_length=MAX_LENGTH, validators=[refuse_encoded_words])
    role = models.CharField(_("role"), max_length=10, choices=TeamRole.choices, default=TeamRole.MEMBER)
    token_digest = models.CharField(_("token digest"), max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(
        User, verbose_name=_("invited by"), on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires at"))
    ended_at = models.DateTimeField(_("ended at"), null=True, editable=False)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome.choices, blank=True, default="")

    objects = TeamInvitationQuerySet.as_manager()

    class Meta:
        verbose_name = _("team invitation")
        verbose_name_plural = _("team invitations")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                "team", Lower("email"), condition=Q(ended_at=None), name="team_invitation_open_once"
            ),
            models.CheckConstraint(
                name="team_invitation_ends_with_an_outcome",
                condition=Q(ended_at=None, outcome="") | (Q(ended_at__isnull=False) & ~Q(outcome="")),
            ),
        ]
        indexes = [
            # Who signs in is shown the invitations of his addresses.
            models.Index(Lower("email"), name="team_invitation_open", condition=Q(ended_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.email}: {self.team}"
