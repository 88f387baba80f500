"""People and the groups that decide what they see."""

from datetime import datetime
from typing import Any, ClassVar, Self, TypeAlias

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import AnonymousUser, PermissionsMixin
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.address_rules import MAX_LENGTH, refuse_encoded_words
from accounts.names import validate_name
from portalsettings.models import Terms

ADMINISTRATORS = "administrators"
DEVELOPERS = "developers"
GUESTS = "guests"
CUSTOM_VALUE_LENGTH = 1000

# What `visible_to(viewer)` takes: a person, nobody in particular, or the eyes of a group.
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


class StaffRole(models.TextChoices):
    """Of those who may use the administration and not do everything there; see `accounts.roles`."""

    SUPPORT = "support", _("Support")
    PUBLISHER = "publisher", _("API publisher")


class User(AbstractBaseUser, PermissionsMixin):
    """A person; the e-mail address is the name that signs in."""

    class State(models.TextChoices):
        """Who is not active neither signs in nor calls the gateway with keys of his own (Azure: UserState)."""

        ACTIVE = "active", _("Active")
        BLOCKED = "blocked", pgettext_lazy("an account", "Blocked")
        PENDING = "pending", _("Pending")
        DELETED = "deleted", _("Deleted")

    email = models.EmailField(_("e-mail address"), max_length=MAX_LENGTH, validators=[refuse_encoded_words])
    first_name = models.CharField(_("first name"), max_length=100, blank=True, validators=[validate_name])
    last_name = models.CharField(_("last name"), max_length=100, blank=True, validators=[validate_name])
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.ACTIVE)
    note = models.TextField(_("note"), blank=True, max_length=4000, help_text=_("Seen by administrators only."))
    is_staff = models.BooleanField(_("may use the administration"), default=False)
    staff_role = models.CharField(
        _("role in the administration"),
        max_length=10,
        choices=StaffRole.choices,
        blank=True,
        default="",
        db_default="",
        editable=False,
    )
    registered_at = models.DateTimeField(_("registered at"), default=timezone.now, editable=False)
    # Blank: what the browser says.
    language = models.CharField(
        _("language"), max_length=10, blank=True, db_default="", default="", choices=settings.LANGUAGES
    )
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True, db_default="", default="")
    accepted_terms = models.ForeignKey(
        Terms,
        verbose_name=_("accepted terms"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    terms_accepted_at = models.DateTimeField(_("terms accepted at"), null=True, blank=True, editable=False)
    confirmed_at = models.DateTimeField(
        _("confirmed at"), null=True, blank=True, editable=False, help_text=_("When its first address was confirmed.")
    )
    # Since when an administrator is asked to approve the account: its address is confirmed.
    waiting_since = models.DateTimeField(_("waiting since"), null=True, blank=True, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [
            models.UniqueConstraint(
                Lower("email"), name="user_email_unique", violation_error_message=_("This address is already in use.")
            ),
            models.CheckConstraint(
                name="user_role_of_staff", condition=Q(staff_role="") | Q(is_staff=True, is_superuser=False)
            ),
        ]
        indexes = [
            # The admin lists the newest first.
            models.Index(name="user_newest", fields=["-registered_at", "-id"]),
            # The admin asks for those who wait or are blocked, who are few.
            models.Index(name="user_not_active", fields=["state", "-registered_at"], condition=~Q(state="active")),
            # Each page of the admin counts those who wait for approval.
            models.Index(name="user_waiting", fields=["waiting_since"], condition=Q(waiting_since__isnull=False)),
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


class UserStateChange(models.Model):
    """A step in the life of an account: who brought it into which state, when and why."""

    user = models.ForeignKey(User, verbose_name=_("user"), on_delete=models.CASCADE, related_name="state_changes")
    at = models.DateTimeField(_("at"), default=timezone.now)
    by = models.ForeignKey(User, verbose_name=_("by"), on_delete=models.SET_NULL, null=True, related_name="+")
    state = models.CharField(_("state"), max_length=10, choices=User.State.choices)
    comment = models.TextField(_("comment"), blank=True, max_length=4000)

    class Meta:
        verbose_name = _("user state change")
        verbose_name_plural = _("user state changes")
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.user}: {self.state}"


class AddressChange(models.Model):
    """The address that an account had before, and can have again for some days; see `accounts.address_changes`."""

    user = models.ForeignKey(User, verbose_name=_("user"), on_delete=models.CASCADE, related_name="address_changes")
    old_email = models.EmailField(_("e-mail address before"), max_length=254)
    at = models.DateTimeField(_("at"), default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("change of an address")
        verbose_name_plural = _("changes of addresses")
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.user}: {self.old_email}"


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


class CustomField(models.Model):
    """Something that administrators want to know of people, asked at sign-up and changed in the profile."""

    class Kind(models.TextChoices):
        TEXT = "text", _("Text")
        CHOICE = "choice", _("Choice")
        CHECK_BOX = "check-box", _("Check box")
        NUMBER = "number", _("Number")
        URL = "url", _("URL")

    label = models.CharField(_("label"), max_length=100, unique=True, validators=[validate_name])
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.TEXT)
    choices = models.TextField(
        _("choices"), blank=True, max_length=10_000, help_text=_("Of a choice only: one a line.")
    )
    required = models.BooleanField(
        _("required"), default=False, help_text=_("A check box that is required has to be ticked.")
    )
    help_text = models.CharField(_("help"), max_length=300, blank=True)
    max_length = models.PositiveSmallIntegerField(
        _("maximum length"),
        default=200,
        validators=[MinValueValidator(1), MaxValueValidator(CUSTOM_VALUE_LENGTH)],
        help_text=_("Of a text or a URL, in characters."),
    )
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    class Meta:
        verbose_name = _("custom field")
        verbose_name_plural = _("custom fields")
        ordering = ["position", "pk"]

    def __str__(self) -> str:
        return self.label

    @property
    def choice_list(self) -> list[str]:
        return [line.strip() for line in self.choices.splitlines() if line.strip()]

    def clean(self) -> None:
        if self.kind == self.Kind.CHOICE and not self.choice_list:
            raise ValidationError({"choices": _("Write the choices, one a line.")})
        if any(len(choice) > CUSTOM_VALUE_LENGTH for choice in self.choice_list):
            raise ValidationError(
                {"choices": _("A choice has at most %(limit)s characters.") % {"limit": CUSTOM_VALUE_LENGTH}}
            )


class CustomValue(models.Model):
    """What a person has filled in."""

    user = models.ForeignKey(User, verbose_name=_("user"), on_delete=models.CASCADE, related_name="custom_values")
    field = models.ForeignKey(CustomField, verbose_name=_("field"), on_delete=models.CASCADE, related_name="values")
    value = models.CharField(_("value"), max_length=CUSTOM_VALUE_LENGTH)

    class Meta:
        verbose_name = _("custom value")
        verbose_name_plural = _("custom values")
        ordering = ["field__position", "field"]
        constraints = [models.UniqueConstraint(fields=["user", "field"], name="custom_value_once")]

    def __str__(self) -> str:
        return f"{self.field}: {self.value}"


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


class SpentToken(models.Model):
    """A token of another site that has signed somebody in, kept until it expires so that it works once."""

    digest = models.CharField(_("digest"), max_length=64, primary_key=True)
    expires_at = models.DateTimeField(_("expires at"), db_index=True)

    class Meta:
        verbose_name = _("spent token")
        verbose_name_plural = _("spent tokens")

    def __str__(self) -> str:
        return self.digest
