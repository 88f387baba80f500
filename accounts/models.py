"""People and the groups that decide what they see."""

from typing import Any, ClassVar, Self, TypeAlias

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import AnonymousUser, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.names import validate_name

ADMINISTRATORS = "administrators"
DEVELOPERS = "developers"
GUESTS = "guests"

Viewer: TypeAlias = "User | AnonymousUser"


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.full_clean(exclude=["password"])
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """A person; the e-mail address is the name that signs in."""

    class State(models.TextChoices):
        """Who is not active neither signs in nor calls the gateway with keys of his own (Azure: UserState)."""

        ACTIVE = "active", _("Active")
        BLOCKED = "blocked", _("Blocked")
        PENDING = "pending", _("Pending")
        DELETED = "deleted", _("Deleted")

    email = models.EmailField("e-mail address", max_length=254)
    first_name = models.CharField(max_length=100, blank=True, validators=[validate_name])
    last_name = models.CharField(max_length=100, blank=True, validators=[validate_name])
    state = models.CharField(max_length=10, choices=State.choices, default=State.ACTIVE)
    note = models.TextField(blank=True, max_length=4000, help_text="Seen by administrators only.")
    is_staff = models.BooleanField("may use the administration", default=False)
    registered_at = models.DateTimeField(default=timezone.now, editable=False)
    # Blank: what the browser says.
    language = models.CharField(
        _("language"), max_length=10, blank=True, db_default="", default="", choices=settings.LANGUAGES
    )
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True, db_default="", default="")

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [
            models.UniqueConstraint(
                Lower("email"), name="user_email_unique", violation_error_message="This address is already in use."
            )
        ]

    def __str__(self) -> str:
        return self.full_name or self.email

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def initials(self) -> str:
        """One or two letters that stand for the person in the page's head."""
        return (self.first_name[:1] + self.last_name[:1]) or self.email[:1]

    @property
    def is_active(self) -> bool:  # type: ignore[override]  # Django reads it as a plain attribute.
        return self.state == self.State.ACTIVE


class GroupQuerySet(models.QuerySet["Group"]):
    def of(self, viewer: Viewer) -> Self:
        """The groups that the viewer belongs to.

        Everybody is a guest, whoever signed in is a developer, and staff are administrators;
        custom groups have their members listed.
        """
        names = {GUESTS}
        if not viewer.is_authenticated:
            return self.filter(name__in=names)
        names.add(DEVELOPERS)
        if viewer.is_staff:
            names.add(ADMINISTRATORS)
        listed = Group.members.through.objects.filter(user=viewer).values("group")
        return self.filter(models.Q(name__in=names) | models.Q(pk__in=listed))


class Group(models.Model):
    """An audience: products are shown to groups (Azure: group)."""

    name = models.SlugField(unique=True, max_length=80)
    display_name = models.CharField(max_length=100)
    description = models.TextField(blank=True, max_length=1000)
    built_in = models.BooleanField(default=False, editable=False)
    members = models.ManyToManyField(User, blank=True, related_name="audience_groups")

    objects = GroupQuerySet.as_manager()

    class Meta:
        ordering = ["-built_in", "display_name"]

    def __str__(self) -> str:
        return self.display_name


class TeamQuerySet(models.QuerySet["Team"]):
    def of(self, user: User) -> Self:
        """The teams that a person belongs to."""
        return self.filter(memberships__user=user)

    def owned_by(self, user: User) -> Self:
        """The teams that a person may act for."""
        return self.filter(memberships__user=user, memberships__role=TeamMembership.Role.OWNER)


class Team(models.Model):
    """People who share subscriptions, so that none of them ends with the one who made it."""

    name = models.CharField(max_length=100, validators=[validate_name])
    created_at = models.DateTimeField(auto_now_add=True)
    members = models.ManyToManyField(User, through="TeamMembership", related_name="teams")

    objects = TeamQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name


class TeamMembership(models.Model):
    """Members use a team's subscriptions and see its keys; owners also change them and the team."""

    class Role(models.TextChoices):
        OWNER = "owner", _("Owner")
        MEMBER = "member", _("Member")

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="team_memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    joined_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="team_membership_once")]

    def __str__(self) -> str:
        return f"{self.user}: {self.get_role_display()}"
