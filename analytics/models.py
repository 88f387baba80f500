"""Usage as ingested from the gateway's journal."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class JournalPart(models.Model):
    """How far a journal file has been ingested; written in the transaction of its records.

    The row outlives its file, so that a part which comes back is not ingested twice.
    """

    name = models.CharField(_("name"), max_length=200, unique=True)
    offset = models.PositiveBigIntegerField(_("offset"), default=0)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)
    problems = models.PositiveIntegerField(
        _("problems"), default=0, help_text=_("Stretches of the file that could not be read.")
    )
    last_problem = models.CharField(_("last problem"), max_length=500, blank=True)
    deleted_at = models.DateTimeField(
        _("deleted at"), null=True, help_text=_("When the file, wholly ingested, was deleted.")
    )

    class Meta:
        verbose_name = _("journal part")
        verbose_name_plural = _("journal parts")

    def __str__(self) -> str:
        return self.name


class Call(models.Model):
    """One answered call. Ids are kept as plain values, so that a record outlives what it names."""

    at = models.DateTimeField(_("at"), help_text=_("When the request's head had arrived."))
    request_id = models.UUIDField(_("request ID"))
    gateway = models.CharField(_("gateway"), max_length=100)
    api_id = models.BigIntegerField(_("API ID"), null=True)
    operation_id = models.BigIntegerField(_("operation ID"), null=True)
    product_id = models.BigIntegerField(_("product ID"), null=True)
    subscription_id = models.UUIDField(_("subscription ID"), null=True)
    user_id = models.BigIntegerField(_("user ID"), null=True)
    method = models.CharField(_("method"), max_length=40)
    url = models.TextField(_("URL"), help_text=_("Path and query without the subscription key."))
    caller_address = models.CharField(_("caller address"), max_length=45)
    response_code = models.PositiveSmallIntegerField(_("response code"))
    backend_code = models.PositiveSmallIntegerField(_("backend code"), null=True)
    total_ms = models.FloatField(_("total ms"))
    backend_ms = models.FloatField(_("backend ms"), null=True)
    request_bytes = models.PositiveBigIntegerField(_("request bytes"))
    response_bytes = models.PositiveBigIntegerField(_("response bytes"))
    error_source = models.CharField(_("error source"), max_length=40, blank=True)
    error_reason = models.CharField(_("error reason"), max_length=60, blank=True)

    class Meta:
        verbose_name = _("call")
        verbose_name_plural = _("calls")
        indexes = [
            # Pages ask for a subscription's latest calls.
            models.Index(name="call_subscription_at", fields=["subscription_id", "-at"]),
            models.Index(name="call_at", fields=["at"]),
            models.Index(name="call_request_id", fields=["request_id"]),
        ]

    def __str__(self) -> str:
        return str(self.request_id)


class SubscriptionQuarter(models.Model):
    """Calls of a subscription in a quarter of an hour (UTC).

    Days and weeks of every time zone begin at a quarter, so that any zone's sums can be made of these.
    """

    subscription_id = models.UUIDField(_("subscription ID"))
    quarter = models.DateTimeField(_("quarter"))
    calls = models.PositiveBigIntegerField(_("calls"), default=0, help_text=_("Calls that were let through."))
    refused = models.PositiveBigIntegerField(_("refused"), default=0, help_text=_("Calls that a limit refused."))
    bytes = models.PositiveBigIntegerField(
        _("bytes"), default=0, db_default=0, help_text=_("Of the calls that were let through, in both directions.")
    )

    class Meta:
        verbose_name = _("subscription quarter")
        verbose_name_plural = _("subscription quarters")
        constraints = [
            models.UniqueConstraint(fields=["subscription_id", "quarter"], name="subscription_quarter_unique")
        ]

    def __str__(self) -> str:
        return f"{self.subscription_id} {self.quarter:%Y-%m-%d %H:%M}"


class QuotaUse(models.Model):
    """The gateway's own count of a subscription's current quota period."""

    subscription_id = models.UUIDField(_("subscription ID"), primary_key=True)
    product_id = models.BigIntegerField(_("product ID"))
    period_start = models.DateTimeField(_("period start"))
    calls = models.PositiveBigIntegerField(_("calls"))
    bytes = models.PositiveBigIntegerField(
        _("bytes"), default=0, db_default=0, help_text=_("In both directions; counted where the quota limits them.")
    )

    class Meta:
        verbose_name = _("quota use")
        verbose_name_plural = _("quota uses")

    def __str__(self) -> str:
        return f"{self.subscription_id}: {self.calls}"


class QuotaWarning(models.Model):
    """That people were told how far a subscription's quota is used, in the period that began then."""

    subscription_id = models.UUIDField(_("subscription ID"))
    period_start = models.DateTimeField(_("period start"))
    percent = models.PositiveSmallIntegerField(_("percent"))

    class Meta:
        verbose_name = _("quota warning")
        verbose_name_plural = _("quota warnings")
        constraints = [
            models.UniqueConstraint(fields=["subscription_id", "period_start", "percent"], name="quota_warning_once")
        ]

    def __str__(self) -> str:
        return f"{self.subscription_id}: {self.percent} %"
