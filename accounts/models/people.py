"""People, what became of their accounts, and the addresses that they had."""

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.address_rules import MAX_LENGTH, refuse_encoded_words
from accounts.names import validate_name
from portalsettings.models import Terms


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
