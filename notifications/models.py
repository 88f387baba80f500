"""Mails: the outbox, their texts, and who gets them."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.address_rules import validate_address
from accounts.models import User
from apis.models import API
from notifications.catalogue.base import Category
from subscriptions.models import Product


class OutboxMail(models.Model):
    """One mail, written in the transaction of what it tells of, sent by the worker."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Failed")

    message = models.BinaryField(_("message"), help_text=_("The message as bytes (RFC 5322); empty once it was sent."))
    sender = models.CharField(_("sender"), max_length=320)
    recipients = models.JSONField(_("recipients"))
    refused = models.JSONField(
        _("refused"), default=dict, db_default={}, help_text=_("Recipients that the mail server refused, and why.")
    )
    subject = models.CharField(_("subject"), max_length=998)
    is_bulk = models.BooleanField(_("bulk"), default=False, db_default=False, help_text=_("Goes after all others."))
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt at"), default=timezone.now)
    last_error = models.CharField(_("last error"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)

    class Meta:
        verbose_name = _("mail")
        verbose_name_plural = _("mails")
        ordering = ["-pk"]
        indexes = [
            # The worker asks what is due, bulk last.
            models.Index(name="outbox_next", fields=["is_bulk", "id"], condition=Q(state="waiting")),
            # The worker asks what was sent long ago.
            models.Index(name="outbox_sent", fields=["sent_at"], condition=Q(state="sent")),
            # The admin lists what failed, and its start page counts that and what is tried again.
            models.Index(name="outbox_failed", fields=["id"], condition=Q(state="failed")),
            models.Index(name="outbox_delayed", fields=["id"], condition=Q(state="waiting") & ~Q(last_error="")),
            # The admin lists the bulk mails.
            models.Index(name="outbox_bulk", fields=["id"], condition=Q(is_bulk=True)),
            # The admin's search by how a subject begins. PostgreSQL has one of the recipients too, by a migration.
            models.Index(name="outbox_subject", fields=["subject"], opclasses=["varchar_pattern_ops"]),
        ]

    def __str__(self) -> str:
        return self.subject


class MailText(models.Model):
    """An administrator's own text of a template: in one language, or (empty) in all that have none of their own."""

    template = models.CharField(_("template"), max_length=80)
    language = models.CharField(_("language"), max_length=10, blank=True)
    subject = models.CharField(_("subject"), max_length=200)
    body = models.TextField(_("body"), max_length=20_000)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("mail template")
        verbose_name_plural = _("mail templates")
        constraints = [models.UniqueConstraint(fields=["template", "language"], name="mail_text_once")]

    def __str__(self) -> str:
        return self.template


def validate_addresses(text: str) -> None:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                validate_address(line.strip())
            except ValidationError as error:
                raise ValidationError(_("Line %(number)s is no e-mail address."), params={"number": number}) from error


class Recipients(models.Model):
    """Whom the publisher wants to be told."""

    to_administrator = models.BooleanField(
        _("the administrator e-mail"), default=True, help_text=_("The one of the service's page.")
    )
    emails = models.TextField(
        _("e-mail addresses"),
        blank=True,
        max_length=5000,
        validators=[validate_addresses],
        help_text=_("One a line."),
    )
    users = models.ManyToManyField(
        User,
        verbose_name=_("administrators"),
        blank=True,
        related_name="+",
        limit_choices_to={"is_staff": True, "state": User.State.ACTIVE},
    )

    class Meta:
        abstract = True


class PublisherNotification(Recipients):
    """Who is told of one kind of event (Azure: notification, with recipientEmails and recipientUsers).

    A notification without a row goes to the service's administrator e-mail, but for the blind copies.
    """

    class Name(models.TextChoices):
        REQUEST = "RequestPublisherNotificationMessage", _("Subscription requests (requiring approval)")
        PURCHASE = "PurchasePublisherNotificationMessage", _("New subscriptions")
        APPLICATION = "NewApplicationNotificationMessage", _("Application gallery requests")
        SIGN_UP = "SignUpRequestPublisherNotificationMessage", _("Sign-up requests (requiring approval)")
        BCC = "BCC", _("Blind copies of what developers get")
        ISSUE = "NewIssuePublisherNotificationMessage", _("New issue or comment")
        ACCOUNT_CLOSED = "AccountClosedPublisher", _("Close account message")
        WEBHOOK = "WebhookSwitchedOffPublisher", _("Webhook switched off")
        QUOTA = "QuotaLimitApproachingPublisherNotificationMessage", _("Approaching subscription quota limit")

    name = models.CharField(_("notification"), max_length=60, unique=True, choices=Name.choices, editable=False)

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.get_name_display()


class MutedCategory(models.Model):
    """Mails that a person does not want."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("user"), on_delete=models.CASCADE, related_name="muted_categories"
    )
    category = models.CharField(_("category"), max_length=20, choices=Category.choices)

    class Meta:
        verbose_name = _("muted category")
        verbose_name_plural = _("muted categories")
        constraints = [models.UniqueConstraint(fields=["user", "category"], name="muted_category_once")]

    def __str__(self) -> str:
        return f"{self.user}: {self.category}"


class BouncedAddress(models.Model):
    """An address that the mail server refused for good. It gets no optional mails until it is confirmed again."""

    email = models.EmailField(_("e-mail address"), max_length=320, unique=True, help_text=_("In lower case."))
    reason = models.CharField(_("reason"), max_length=500)
    at = models.DateTimeField(_("since"), default=timezone.now)

    class Meta:
        verbose_name = _("bounced address")
        verbose_name_plural = _("bounced addresses")
        ordering = ["-at"]

    def __str__(self) -> str:
        return self.email


class Announcement(models.Model):
    """What a publisher tells the subscribers of an API or a product; the worker mails it in batches."""

    subject = models.CharField(_("subject"), max_length=150)
    body = models.TextField(_("text"), max_length=20_000, help_text=_("Markdown."))
    product = models.ForeignKey(
        Product, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("product")
    )
    api = models.ForeignKey(
        API, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("API")
    )
    scope_name = models.CharField(_("subscribers of"), max_length=300)
    form_id = models.UUIDField(
        _("form ID"), unique=True, null=True, editable=False, help_text=_("Of the form that it was sent by.")
    )
    event = models.OneToOneField(
        "events.Event", verbose_name=_("event"), on_delete=models.SET_NULL, null=True, editable=False
    )
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("by"), on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(_("sent at"), auto_now_add=True)

    class Meta:
        verbose_name = _("announcement")
        verbose_name_plural = _("announcements")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.subject


class Mailing(models.Model):
    """How far an event's mails to many people have been written: to all users with an id up to `last_user`."""

    event = models.OneToOneField(
        "events.Event", verbose_name=_("event"), on_delete=models.CASCADE, related_name="mailing"
    )
    last_user = models.BigIntegerField(_("last user"), default=0)
    mails = models.PositiveIntegerField(_("mails"), default=0)
    finished_at = models.DateTimeField(_("finished at"), null=True)

    class Meta:
        verbose_name = _("mailing")
        verbose_name_plural = _("mailings")
        indexes = [
            # The worker asks what is not finished.
            models.Index(name="mailing_open", fields=["id"], condition=Q(finished_at=None))
        ]

    def __str__(self) -> str:
        return f"{self.event}: {self.mails}"


class MailServer(models.Model):
    """The mail server as set in the administration; without a row, that of the environment counts."""

    class Security(models.TextChoices):
        NONE = "none", _("None")
        STARTTLS = "starttls", _("STARTTLS")
        TLS = "tls", _("TLS from the beginning")

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    host = models.CharField(_("host"), max_length=253)
    port = models.PositiveIntegerField(
        _("port"), default=587, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    security = models.CharField(_("encryption"), max_length=10, choices=Security.choices, default=Security.STARTTLS)
    username = models.CharField(_("user name"), max_length=320, blank=True)
    sealed_password = models.TextField(_("sealed password"), blank=True, editable=False)
    sender = models.CharField(
        _("sender"),
        max_length=320,
        blank=True,
        help_text=_(
            "An address, or a name and behind it an address in angle brackets. Empty: that of the environment."
        ),
    )

    class Meta:
        verbose_name = _("mail server")
        verbose_name_plural = _("mail server")
        constraints = [models.CheckConstraint(name="mail_server_is_one", condition=Q(pk=1))]

    def __str__(self) -> str:
        return self.host
