"""What administrators decide about the developer portal (Azure: portalsettings)."""

from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portalsettings.domains import canonical


class PortalSettings(models.Model):
    """There is at most one row; until an administrator saves it, the defaults here count."""

    class SignUp(models.TextChoices):
        OPEN = "open", _("Open: everybody can sign up")
        INVITATION = "invitation", _("By invitation: only who was invited")
        CLOSED = "closed", _("Closed: administrators make the accounts")

    class Issues(models.TextChoices):
        OFF = "off", _("Off: there are no issues")
        REVIEWED = "reviewed", _("Reviewed: others see an issue once you have opened it")
        AT_ONCE = "atOnce", _("At once: others see an issue when it is sent")

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    sign_up = models.CharField(_("sign-up"), max_length=10, choices=SignUp.choices, default=SignUp.OPEN)
    allowed_domains = models.TextField(
        _("allowed e-mail domains"),
        blank=True,
        max_length=10_000,
        help_text=_(
            "One a line, such as example.org; *.example.org stands for all its subdomains. Empty: all. "
            "Invitations may go to any address."
        ),
    )
    approval_required = models.BooleanField(
        _("approval required"),
        default=False,
        help_text=_("Who signs up waits until an administrator approves the account. Invited people do not."),
    )
    teams_invite_people = models.BooleanField(
        _("teams invite people"),
        default=False,
        db_default=False,
        help_text=_(
            "Where sign-up is by invitation: whom a team invites may sign up with the invited address, "
            "if its domain is allowed, and waits for approval where that is required."
        ),
    )
    terms_consent = models.CharField(
        _("text beside the check box"), max_length=300, blank=True, default="", help_text=_("Empty: a text of ours.")
    )
    terms_required = models.BooleanField(
        _("acceptance required"),
        default=True,
        help_text=_("Nobody signs in without accepting the terms, and when they change, everybody is asked again."),
    )
    sign_in_required = models.BooleanField(
        _("for signed-in people only"),
        default=False,
        help_text=_("Whoever is not signed in sees the pages for signing in and nothing else."),
    )
    unknown_account_mails = models.BooleanField(
        _("tell addresses without an account"),
        default=True,
        db_default=True,
        help_text=_(
            "Whoever asks for a new password or a sign-in code with an address that has no account gets a mail that "
            "says so. The page looks the same either way."
        ),
    )
    notice = models.TextField(
        _("notice"),
        blank=True,
        max_length=2000,
        help_text=_(
            "Markdown, shown on every page until the reader dismisses it: about cookies, for example. "
            "The portal's own cookies are the ones that it needs to work."
        ),
    )
    delegation_url = models.URLField(
        _("delegation URL"),
        blank=True,
        max_length=1000,
        help_text=_("The page of your own site to which the portal sends people."),
    )
    # Sealed by portalsettings.validation_key.
    delegation_key = models.TextField(_("delegation key"), blank=True, editable=False)
    delegates_sign_in = models.BooleanField(
        _("delegate sign-in and sign-up"), default=False, help_text=_("Your site signs people in and keeps their data.")
    )
    delegates_subscriptions = models.BooleanField(
        _("delegate subscriptions"), default=False, help_text=_("Your site sells, renews and ends subscriptions.")
    )

    second_factor_required = models.BooleanField(
        _("second factor for administrators"),
        default=False,
        db_default=False,
        help_text=_("Who has neither a passkey nor an authenticator app adds one before the administration opens."),
    )

    issues = models.CharField(
        _("issues"),
        max_length=10,
        choices=Issues.choices,
        default=Issues.OFF,
        db_default=Issues.OFF,
        help_text=_("Developers report what is wrong with an API and discuss it. An API can be left out on its page."),
    )

    class Meta:
        verbose_name = _("portal settings")
        verbose_name_plural = _("portal settings")
        constraints = [
            models.CheckConstraint(name="portalsettings_is_one", condition=Q(pk=1)),
            models.CheckConstraint(
                name="delegation_has_url",
                condition=~Q(delegation_url="") | Q(delegates_sign_in=False, delegates_subscriptions=False),
                violation_error_message=_("Give the delegation URL first."),
            ),
        ]

    def __str__(self) -> str:
        return str(self._meta.verbose_name)

    def clean(self) -> None:
        try:
            self.allowed_domains = "\n".join(canonical(line) for line in self.allowed_domains.split())
        except ValidationError as error:
            raise ValidationError({"allowed_domains": error}) from error
        url = urlsplit(self.delegation_url)
        if self.delegation_url and (url.scheme not in ("https", "http") or url.fragment):
            raise ValidationError({"delegation_url": _("Give an https:// or http:// URL without a fragment (#…).")})
        if (self.delegates_sign_in or self.delegates_subscriptions) and not self.delegation_key:
            raise ValidationError(_("Make a validation key first: your site and the portal know each other by it."))

    @property
    def offers_sign_up(self) -> bool:
        """Whether pages lead visitors to signing up: here, or at the own site."""
        return self.sign_up == self.SignUp.OPEN or self.delegates_sign_in

    @property
    def offers_issues(self) -> bool:
        return self.issues != self.Issues.OFF

    @property
    def domains(self) -> list[str]:
        """The patterns of addresses that may sign up; empty if all may."""
        return self.allowed_domains.split()


class TermsQuerySet(models.QuerySet["Terms"]):
    def in_force(self) -> "Terms | None":
        """The terms that count now; None where there are none."""
        latest = self.order_by("pk").last()
        return latest if latest is not None and latest.text else None


class Terms(models.Model):
    """A version of the portal's terms of use; the last one counts, and an empty one takes them back."""

    text = models.TextField(_("text"), blank=True, max_length=200_000)
    published_at = models.DateTimeField(_("published at"), auto_now_add=True)

    objects = TermsQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("terms of use")
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.pk} ({self.published_at:%Y-%m-%d})"


def current() -> PortalSettings:
    return PortalSettings.objects.filter(pk=1).first() or PortalSettings()
