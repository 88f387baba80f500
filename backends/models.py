"""Backends as things of their own: services with credentials and limits, and pools of them."""

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backends.certificates import validate_authorities
from backends.statuses import validate_ranges
from backends.validators import validate_service_url

# Those of the gateway's settings.
SHORTEST_SECONDS, LONGEST_SECONDS = 0.1, 240.0
MOST_RETRIES = 10
LONGEST_PAUSE_SECONDS = 60.0
# Azure's (BackendPool, BackendPoolItem).
MOST_MEMBERS = 30
HIGHEST = 100

_SECONDS = [MinValueValidator(SHORTEST_SECONDS), MaxValueValidator(LONGEST_SECONDS)]
_DAY = [MinValueValidator(1), MaxValueValidator(86_400)]
_ONE_TO_HIGHEST = [MinValueValidator(1), MaxValueValidator(HIGHEST)]


def _is_empty_or_within(field: str, low: float, high: float) -> Q:
    return Q(**{field: None}) | Q(**{f"{field}__gte": low, f"{field}__lte": high})


class Backend(models.Model):
    """Where the calls of APIs go: one service, or a pool of them (Azure: backend).

    A pool has members and its rules of retrying; all else belongs to the members.
    """

    class Type(models.TextChoices):
        SINGLE = "Single", _("Single")
        POOL = "Pool", _("Pool")

    name = models.SlugField(_("name"), unique=True, max_length=80)
    title = models.CharField(_("title"), max_length=300)
    description = models.TextField(_("description"), blank=True, max_length=2000)
    type = models.CharField(_("type"), max_length=6, choices=Type.choices, default=Type.SINGLE, editable=False)
    url = models.CharField(
        _("URL"),
        max_length=2000,
        blank=True,
        validators=[validate_service_url],
        help_text=_("Where the service answers, with the path under which it lies: https://api.example.org/v1."),
    )
    sealed = models.TextField(
        _("sealed"), blank=True, editable=False, help_text=_("A token of gateway.configuration.sealed, or empty.")
    )

    verify_chain = models.BooleanField(
        _("check the certificate's chain"),
        default=True,
        help_text=_("Off: any certificate will do, so whoever is on the way can read and change the calls."),
    )
    verify_name = models.BooleanField(
        _("check the certificate's name"), default=True, help_text=_("Off: the certificate may be another host's.")
    )
    ca_pem = models.TextField(
        _("own authorities"),
        blank=True,
        max_length=200_000,
        validators=[validate_authorities],
        help_text=_("Certificates (PEM) that are trusted instead of the system's."),
    )

    connect_seconds = models.FloatField(_("seconds to connect"), null=True, blank=True, validators=_SECONDS)
    read_seconds = models.FloatField(
        _("seconds to answer"),
        null=True,
        blank=True,
        validators=_SECONDS,
        help_text=_("Longest wait for the head of an answer, and longest pause in its body."),
    )
    idle_connections = models.PositiveIntegerField(
        _("idle connections"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(100_000)],
        help_text=_("Kept at most."),
    )
    max_connections = models.PositiveIntegerField(
        _("connections"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(1_000_000)],
        help_text=_("At most, of each gateway process. Empty: no limit."),
    )

    breaker_failures = models.PositiveIntegerField(
        _("failures"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(10_000)],
        help_text=_("So many open it. Empty: there is no circuit breaker."),
    )
    breaker_interval_seconds = models.PositiveIntegerField(_("within seconds"), default=60, validators=_DAY)
    breaker_trip_seconds = models.PositiveIntegerField(_("open for seconds"), default=30, validators=_DAY)
    breaker_statuses = models.CharField(
        _("statuses that are failures"),
        max_length=200,
        blank=True,
        default="500-599",
        validators=[validate_ranges],
        help_text=_("Such as 429, 500-599."),
    )
    breaker_counts_errors = models.BooleanField(
        _("no answer is a failure"),
        default=True,
        help_text=_("The service cannot be reached, is too slow, or breaks off."),
    )
    breaker_accepts_retry_after = models.BooleanField(
        _("obey Retry-After"),
        default=False,
        help_text=_("Where a failure has one, it says how long the breaker is open."),
    )

    retry_count = models.PositiveSmallIntegerField(
        _("retries"),
        default=0,
        validators=[MaxValueValidator(MOST_RETRIES)],
        help_text=_("At most. Only calls whose method may be repeated, such as GET and PUT, are sent again."),
    )
    retry_interval_seconds = models.FloatField(
        _("pause in seconds"),
        default=0.0,
        validators=[MinValueValidator(0.0), MaxValueValidator(LONGEST_PAUSE_SECONDS)],
        help_text=_("Before each retry."),
    )
    retry_statuses = models.CharField(
        _("statuses to retry"),
        max_length=200,
        blank=True,
        default="502-504",
        validators=[validate_ranges],
        help_text=_("Such as 429, 502-504. No answer at all is always retried."),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("backend")
        verbose_name_plural = _("backends")
        ordering = ["title", "pk"]
        constraints = [
            models.UniqueConstraint(
                Lower("name"), name="backend_name_unique", violation_error_message=_("Another backend has this name.")
            ),
            models.CheckConstraint(
                name="backend_has_url_or_is_pool",
                condition=(Q(type="Single") & ~Q(url="")) | Q(type="Pool", url="", sealed=""),
                violation_error_message=_("Give the URL where the service answers."),
            ),
            models.CheckConstraint(
                name="backend_times_are_bounded",
                condition=_is_empty_or_within("connect_seconds", SHORTEST_SECONDS, LONGEST_SECONDS)
                & _is_empty_or_within("read_seconds", SHORTEST_SECONDS, LONGEST_SECONDS),
            ),
            models.CheckConstraint(
                name="backend_has_a_connection", condition=Q(max_connections=None) | Q(max_connections__gte=1)
            ),
            models.CheckConstraint(
                name="backend_breaker_opens_and_closes",
                condition=(Q(breaker_failures=None) | Q(breaker_failures__gte=1))
                & Q(breaker_interval_seconds__gte=1, breaker_trip_seconds__gte=1),
            ),
            models.CheckConstraint(
                name="backend_retries_are_bounded",
                condition=Q(
                    retry_count__lte=MOST_RETRIES,
                    retry_interval_seconds__gte=0,
                    retry_interval_seconds__lte=LONGEST_PAUSE_SECONDS,
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_pool(self) -> bool:
        return self.type == self.Type.POOL


class PoolMember(models.Model):
    """A backend in a pool. The lowest priority that has a usable member takes the calls, shared by weight."""

    pool = models.ForeignKey(Backend, verbose_name=_("pool"), on_delete=models.CASCADE, related_name="members")
    backend = models.ForeignKey(
        Backend,
        verbose_name=_("backend"),
        on_delete=models.PROTECT,
        related_name="memberships",
        limit_choices_to={"type": Backend.Type.SINGLE},
    )
    priority = models.PositiveSmallIntegerField(
        _("priority"),
        default=1,
        validators=_ONE_TO_HIGHEST,
        help_text=_("1 comes first; a higher number only when those before fail."),
    )
    weight = models.PositiveSmallIntegerField(
        _("weight"),
        default=1,
        validators=_ONE_TO_HIGHEST,
        help_text=_("Its share of the calls among members of equal priority."),
    )

    class Meta:
        verbose_name = _("pool member")
        verbose_name_plural = _("pool members")
        ordering = ["priority", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["pool", "backend"],
                name="pool_member_once",
                violation_error_message=_("This backend is in the pool already."),
            ),
            models.CheckConstraint(name="pool_member_is_another", condition=~Q(pool=F("backend"))),
            models.CheckConstraint(
                name="pool_member_numbers_are_bounded",
                condition=Q(priority__gte=1, priority__lte=HIGHEST, weight__gte=1, weight__lte=HIGHEST),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.backend} in {self.pool}"

    def clean(self) -> None:
        """A pool has no pool in it, and no other backend has members."""
        if self.pool_id is not None and not self.pool.is_pool:
            raise ValidationError(gettext("Only a pool has members."))
        if self.backend_id is not None and self.backend.is_pool:
            raise ValidationError({"backend": gettext("A pool cannot be in a pool.")})
