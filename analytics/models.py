"""Usage as ingested from the gateway's journal."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from subscriptions.models import Subscription


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
    url = models.TextField(_("URL"), help_text=_("Path and query without keys and other secrets."))
    caller_address = models.CharField(_("caller address"), max_length=45)
    response_code = models.PositiveSmallIntegerField(_("response code"))
    backend_code = models.PositiveSmallIntegerField(_("backend code"), null=True)
    total_ms = models.FloatField(_("total ms"))
    backend_ms = models.FloatField(_("backend ms"), null=True)
    request_bytes = models.PositiveBigIntegerField(_("request bytes"))
    response_bytes = models.PositiveBigIntegerField(_("response bytes"))
    error_source = models.CharField(_("error source"), max_length=40, blank=True)
    error_reason = models.CharField(_("error reason"), max_length=60, blank=True)
    country = models.CharField(
        _("country"), max_length=2, blank=True, default="", db_default="", help_text=_("As ISO 3166 writes it.")
    )
    region = models.CharField(
        _("region"), max_length=50, blank=True, default="", db_default="", help_text=_("The gateway's.")
    )
    key_prefix = models.CharField(
        _("key prefix"),
        max_length=16,
        blank=True,
        default="",
        db_default="",
        help_text=_("How the digest of the key that was sent begins, whether it opened or not."),
    )
    # {"kind": "limit" | "key" | "route"} and the fields of that type in gateway.catalogue.cause.
    cause = models.JSONField(_("cause"), null=True, help_text=_("What exactly refused the call."))
    request_headers = models.JSONField(
        _("request headers"),
        null=True,
        help_text=_("Names and values without secrets, of calls answered with 400 or above."),
    )

    class Meta:
        verbose_name = _("call")
        verbose_name_plural = _("calls")
        indexes = [
            # Pages ask for a subscription's latest calls, or an API's; see `call_search`.
            models.Index(name="call_subscription_at", fields=["subscription_id", "-at"]),
            models.Index(name="call_api_at", fields=["api_id", "-at"]),
            models.Index(name="call_at", fields=["at"]),
            models.Index(name="call_request_id", fields=["request_id"]),
            # Developers look for their calls that went wrong, and for those with a key that is theirs no more.
            models.Index(name="call_error_at", fields=["subscription_id", "-at"], condition=Q(response_code__gte=400)),
            # Publishers look for everybody's.
            models.Index(name="call_any_error_at", fields=["-at"], condition=Q(response_code__gte=400)),
            models.Index(
                name="call_unknown_key_at",
                fields=["key_prefix", "-at"],
                condition=Q(subscription_id=None, error_reason="SubscriptionKeyInvalid"),
            ),
        ]

    def __str__(self) -> str:
        return str(self.request_id)


class CallFeed(models.Model):
    """How far another system has got the single calls; see `analytics.feeds`."""

    name = models.CharField(_("name"), max_length=200, unique=True)
    sent_to = models.PositiveBigIntegerField(_("sent to"), default=0, help_text=_("The last call that was sent."))
    reserved_to = models.PositiveBigIntegerField(
        _("reserved to"), default=0, help_text=_("The last call of what is being sent.")
    )
    sent_at = models.DateTimeField(_("sent at"), null=True)
    failures = models.PositiveIntegerField(_("failures"), default=0, help_text=_("Since something was sent."))
    next_attempt_at = models.DateTimeField(_("next attempt at"), null=True)
    last_error = models.CharField(_("last error"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("feed of calls")
        verbose_name_plural = _("feeds of calls")

    def __str__(self) -> str:
        return self.name


class PendingCalls(models.Model):
    """Calls of one batch of the journal, in brief, until they are in the roll-ups; see `analytics.sums`."""

    calls = models.BinaryField(_("calls"))

    class Meta:
        verbose_name = _("pending calls")
        verbose_name_plural = _("pending calls")

    def __str__(self) -> str:
        return str(self.pk)


class CallKind(models.Model):
    """Whose calls of what a roll-up sums. Zeros stand for none, and for what a roll-up does not tell apart.

    Only `CountryQuarter` tells countries apart.
    """

    api_id = models.BigIntegerField(_("API ID"))
    operation_id = models.BigIntegerField(_("operation ID"))
    product_id = models.BigIntegerField(_("product ID"))
    subscription_id = models.UUIDField(_("subscription ID"))
    user_id = models.BigIntegerField(_("user ID"))
    country = models.CharField(_("country"), max_length=2, blank=True, default="", db_default="")

    class Meta:
        verbose_name = _("kind of calls")
        verbose_name_plural = _("kinds of calls")
        constraints = [
            # Begins with what pages and the roll-up look for.
            models.UniqueConstraint(
                fields=["subscription_id", "api_id", "operation_id", "product_id", "user_id", "country"],
                name="call_kind_unique",
            )
        ]

    def __str__(self) -> str:
        return str(self.pk)


class Rollup(models.Model):
    """The sums of calls of one kind in one period of UTC. Times are whole microseconds, so that sums are exact.

    Classes are Azure's: successful (up to 301, 304, 307), blocked (401, 403, 429), failed (400, 5xx) and other.
    """

    at = models.DateTimeField(_("at"))
    kind = models.ForeignKey(CallKind, models.PROTECT, db_index=False, verbose_name=_("kind"))
    success = models.BigIntegerField(_("successful"))
    blocked = models.BigIntegerField(_("blocked"))
    failed = models.BigIntegerField(_("failed"))
    other = models.BigIntegerField(_("other"))
    limited = models.BigIntegerField(_("limited"), help_text=_("Refused by a rate limit or a quota."))
    request_bytes = models.BigIntegerField(_("request bytes"))
    response_bytes = models.BigIntegerField(_("response bytes"))
    cache_hits = models.BigIntegerField(_("cache hits"))
    cache_misses = models.BigIntegerField(_("cache misses"))
    total_sum = models.BigIntegerField(_("total time"))
    total_min = models.BigIntegerField(_("least total time"))
    total_max = models.BigIntegerField(_("most total time"))
    total_histogram = models.BinaryField(_("total times"))
    backend_calls = models.BigIntegerField(_("calls of a backend"))
    backend_sum = models.BigIntegerField(_("backend time"))
    backend_min = models.BigIntegerField(_("least backend time"), null=True)
    backend_max = models.BigIntegerField(_("most backend time"), null=True)
    backend_histogram = models.BinaryField(_("backend times"))

    class Meta:
        abstract = True
        constraints = [models.UniqueConstraint(fields=["kind", "at"], name="%(class)s_unique")]
        indexes = [models.Index(fields=["at"], name="%(class)s_at")]

    def __str__(self) -> str:
        return f"{self.kind_id} {self.at:%Y-%m-%d %H:%M}"


class UsageQuarter(Rollup):
    """By quarter of an hour, as days and weeks of every time zone begin at one."""

    class Meta(Rollup.Meta):
        verbose_name = _("usage in a quarter of an hour")
        verbose_name_plural = _("usage in quarters of an hour")


class UsageDay(Rollup):
    """The same by day, for what asks for long periods."""

    class Meta(Rollup.Meta):
        verbose_name = _("usage in a day")
        verbose_name_plural = _("usage in days")
        indexes = [
            models.Index(fields=["at"], name="usageday_at"),
            # Holds all that is asked of who calls what is deprecated, which may be a million rows; see `deprecated`.
            models.Index(fields=["kind", "at", "success", "blocked", "failed", "other"], name="usageday_calls"),
        ]


class SubscriptionDay(Rollup):
    """By day, subscription and user: a third of the rows where subscriptions call three operations."""

    class Meta(Rollup.Meta):
        verbose_name = _("usage of a subscription in a day")
        verbose_name_plural = _("usage of subscriptions in days")


class OperationQuarter(Rollup):
    """By quarter of an hour, for charts over long periods: tells operations and their APIs apart only."""

    class Meta(Rollup.Meta):
        verbose_name = _("usage of an operation in a quarter of an hour")
        verbose_name_plural = _("usage of operations in quarters of an hour")


class OperationDay(Rollup):
    """The same by day."""

    class Meta(Rollup.Meta):
        verbose_name = _("usage of an operation in a day")
        verbose_name_plural = _("usage of operations in days")


class APIQuarter(Rollup):
    """By quarter of an hour and API."""

    class Meta(Rollup.Meta):
        verbose_name = _("usage of an API in a quarter of an hour")
        verbose_name_plural = _("usage of APIs in quarters of an hour")


class APIDay(Rollup):
    """The same by day."""

    class Meta(Rollup.Meta):
        verbose_name = _("usage of an API in a day")
        verbose_name_plural = _("usage of APIs in days")


class ProductQuarter(Rollup):
    """By quarter of an hour and product."""

    class Meta(Rollup.Meta):
        verbose_name = _("usage of a product in a quarter of an hour")
        verbose_name_plural = _("usage of products in quarters of an hour")


class CountryQuarter(Rollup):
    """By quarter of an hour, API and the country that calls came from."""

    class Meta(Rollup.Meta):
        verbose_name = _("usage from a country in a quarter of an hour")
        verbose_name_plural = _("usage from countries in quarters of an hour")


class CountryDay(Rollup):
    """The same by day."""

    class Meta(Rollup.Meta):
        verbose_name = _("usage from a country in a day")
        verbose_name_plural = _("usage from countries in days")


class ProductDay(Rollup):
    """The same by day."""

    class Meta(Rollup.Meta):
        verbose_name = _("usage of a product in a day")
        verbose_name_plural = _("usage of products in days")


class TotalQuarter(Rollup):
    """By quarter of an hour: all calls."""

    class Meta(Rollup.Meta):
        verbose_name = _("all usage in a quarter of an hour")
        verbose_name_plural = _("all usage in quarters of an hour")


class TotalDay(Rollup):
    """The same by day."""

    class Meta(Rollup.Meta):
        verbose_name = _("all usage in a day")
        verbose_name_plural = _("all usage in days")


class SubscriptionQuarter(models.Model):
    """Calls of a subscription in a quarter of an hour (UTC), for bills: kept for good, and there at once.

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


class CountedQuota(models.Model):
    """The gateway's own count of the current period of a quota."""

    product_id = models.BigIntegerField(_("product ID"))
    period_start = models.DateTimeField(_("period start"))
    calls = models.PositiveBigIntegerField(_("calls"))
    bytes = models.PositiveBigIntegerField(
        _("bytes"), default=0, db_default=0, help_text=_("In both directions; counted where the quota limits them.")
    )

    class Meta:
        abstract = True


class QuotaUse(CountedQuota):
    """Where the quota of a subscription's whole product stands.

    As with first calls, no constraint ties it to the subscription.
    """

    subscription = models.OneToOneField(
        Subscription,
        models.DO_NOTHING,
        primary_key=True,
        db_constraint=False,
        related_name="quota_use",
        verbose_name=_("subscription"),
    )

    class Meta:
        verbose_name = _("quota use")
        verbose_name_plural = _("quota uses")

    def __str__(self) -> str:
        return f"{self.subscription_id}: {self.calls}"


class InnerQuotaUse(CountedQuota):
    """The same of a quota inside of the product's, of an API or an operation."""

    subscription = models.ForeignKey(
        Subscription,
        models.DO_NOTHING,
        db_constraint=False,
        # The constraint below begins with it.
        db_index=False,
        related_name="inner_quota_uses",
        verbose_name=_("subscription"),
    )
    api_id = models.BigIntegerField(_("API ID"))
    operation_id = models.BigIntegerField(_("operation ID"), help_text=_("0 for the API as a whole."))

    class Meta:
        verbose_name = _("inner quota use")
        verbose_name_plural = _("inner quota uses")
        constraints = [
            models.UniqueConstraint(fields=["subscription", "api_id", "operation_id"], name="inner_quota_use_unique")
        ]

    def __str__(self) -> str:
        return f"{self.subscription_id} {self.api_id} {self.operation_id}: {self.calls}"


class QuotaWarning(models.Model):
    """That people were told how far a subscription's quota is used, in the period that began then.

    API and operation are 0 for the quota of the whole product, the operation for that of an API.
    """

    subscription_id = models.UUIDField(_("subscription ID"))
    api_id = models.BigIntegerField(_("API ID"), default=0, db_default=0)
    operation_id = models.BigIntegerField(_("operation ID"), default=0, db_default=0)
    period_start = models.DateTimeField(_("period start"))
    percent = models.PositiveSmallIntegerField(_("percent"))

    class Meta:
        verbose_name = _("quota warning")
        verbose_name_plural = _("quota warnings")
        constraints = [
            models.UniqueConstraint(
                fields=["subscription_id", "api_id", "operation_id", "period_start", "percent"],
                name="quota_warning_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.subscription_id}: {self.percent} %"


class FirstCall(models.Model):
    """When a subscription was called first, and when with success first, as Azure counts it; kept for good.

    No constraint ties it to the subscription: calls of one that is gone are still calls.
    """

    subscription = models.OneToOneField(
        Subscription,
        models.DO_NOTHING,
        primary_key=True,
        db_constraint=False,
        related_name="first_call",
        verbose_name=_("subscription"),
    )
    called_at = models.DateTimeField(_("called at"))
    succeeded_at = models.DateTimeField(_("succeeded at"), null=True)

    class Meta:
        verbose_name = _("first call")
        verbose_name_plural = _("first calls")

    def __str__(self) -> str:
        return f"{self.subscription_id}: {self.called_at:%Y-%m-%d %H:%M}"
