"""Groups, which decide what people see."""

from typing import Self, TypeAlias

from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models.people import User

ADMINISTRATORS = "administrators"
DEVELOPERS = "developers"
GUESTS = "guests"

# What `visible_to(viewer)` takes: a person, nobody in particular, or the eyes of a group.
Viewer: TypeAlias = User | AnonymousUser


class GroupQuerySet(models.QuerySet["Group"]):
    def of(self, viewer: Viewer) -> Self:
        """The groups that the viewer belongs to.

        Everybody is a guest, whoever signed in is a developer, and staff are administrators; other
        groups have their members listed, by hand or by what an identity provider claims.
        """
        if isinstance(viewer, GroupViewer):
            return self.filter(Q(name__in=viewer.built_in) | Q(pk=viewer.group.pk))
        names = {GUESTS}
        if not viewer.is_authenticated:
            return self.filter(name__in=names)
        names.add(DEVELOPERS)
        if viewer.is_staff:
            names.add(ADMINISTRATORS)
        listed = Group.members.through.objects.filter(user=viewer).values("group")
        claimed = ClaimedMembership.objects.filter(user=viewer).values("group")
        return self.filter(Q(name__in=names) | Q(pk__in=listed) | Q(pk__in=claimed))


class Group(models.Model):
    """An audience: products are shown to groups (Azure: group)."""

    class Type(models.TextChoices):
        SYSTEM = "system", _("Built-in")
        CUSTOM = "custom", _("Custom")
        EXTERNAL = "external", _("External")

    name = models.SlugField(_("name"), unique=True, max_length=80)
    display_name = models.CharField(_("display name"), max_length=100)
    description = models.TextField(_("description"), blank=True, max_length=1000)
    built_in = models.BooleanField(_("built in"), default=False, editable=False)
    members = models.ManyToManyField(User, verbose_name=_("members"), blank=True, related_name="audience_groups")
    provider = models.CharField(
        _("identity provider"),
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text=_("Its id, such as contoso. Whoever signs in through it with a value below becomes a member."),
    )
    claim = models.CharField(
        _("claim"),
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text=_("Where the provider says it, such as groups; realm_access.roles looks inside of realm_access."),
    )
    claim_values = models.TextField(
        _("claim values"),
        blank=True,
        default="",
        db_default="",
        max_length=10_000,
        help_text=_("One a line. One of them is enough, and it must be the same to the letter."),
    )

    objects = GroupQuerySet.as_manager()

    class Meta:
        verbose_name = _("group")
        verbose_name_plural = _("groups")
        ordering = ["-built_in", "display_name"]
        constraints = [
            models.CheckConstraint(
                name="group_claim_is_whole",
                condition=Q(provider="", claim="", claim_values="")
                | (~Q(provider="") & ~Q(claim="") & ~Q(claim_values="") & Q(built_in=False)),
                violation_error_message=_("Give the identity provider, the claim and its values, or none of them."),
            )
        ]
        # A sign-in asks which groups its provider fills.
        indexes = [models.Index(name="group_provider", fields=["provider"], condition=~Q(provider=""))]

    def __str__(self) -> str:
        return self.display_name

    @property
    def type(self) -> Type:
        if self.built_in:
            return self.Type.SYSTEM
        return self.Type.EXTERNAL if self.provider else self.Type.CUSTOM


class ClaimedMembership(models.Model):
    """Somebody is in a group because its identity provider said so when he last signed in through it."""

    group = models.ForeignKey(
        Group, verbose_name=_("group"), on_delete=models.CASCADE, related_name="claimed_memberships"
    )
    user = models.ForeignKey(User, verbose_name=_("user"), on_delete=models.CASCADE, related_name="claimed_memberships")
    claimed_at = models.DateTimeField(_("claimed at"), auto_now_add=True)

    class Meta:
        verbose_name = _("claimed membership")
        verbose_name_plural = _("claimed memberships")
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["user", "group"], name="claimed_membership_once")]

    def __str__(self) -> str:
        return f"{self.user}: {self.group}"


class GroupViewer(AnonymousUser):
    """The eyes of a group: sees what its members see, is nobody, and so has no keys and no subscriptions."""

    def __init__(self, group: Group) -> None:
        super().__init__()
        self.group = group

    @property
    def built_in(self) -> set[str]:
        """The members of every group but the guests have signed in."""
        return {GUESTS} if self.group.name == GUESTS else {GUESTS, DEVELOPERS}
