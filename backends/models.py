"""Backends as things of their own: services with credentials and limits, and pools of them."""

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower

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
        SINGLE = "Single", "Single"
        POOL = "Pool", "Pool"

    name = models.SlugField(unique=True, max_length=80)
    title = models.CharField(max_length=300)
    description = models.TextField(blank=True, max_length=2000)
    type = models.CharField(max_length=6, choices=Type.choices, default=Type.SINGLE, editable=False)
    url = models.CharField(
        "URL",
        max_length=2000,
        blank=True,
        validators=[validate_service_url],
        help_text="Where the service answers, with the path under which it lies: https://api.example.org/v1.",
    )
    sealed = models.TextField(
        blank=True, editable=False, help_text="A token of gateway.configuration.sealed, or empty."
    )

    verify_chain = models.BooleanField(
        "check the certificate's chain",
        default=True,
        help_text="Off: any certificate will do, so whoever is on the way can read and change the calls.",
    )
    verify_name = models.BooleanField(
        "check the certificate's name", default=True, help_text="Off: the certificate may be another host's."
    )
    ca_pem = models.TextField(
        "own authorities",
        blank=True,
        max_length=200_000,
        validators=[validate_authorities],
        help_text="Certificates (PEM) that are trusted instead of the system's.",
    )

    connect_seconds = models.FloatField("seconds to connect", null=True, blank=True, validators=_SECONDS)
    read_seconds = models.FloatField(
        "seconds to answer",
        null=True,
        blank=True,
        validators=_SECONDS,
        help_text="Longest wait for the head of an answer, and longest pause in its body.",
    )
    idle_connections = models.PositiveIntegerField(
        "idle connections", null=True, blank=True, validators=[MaxValueValidator(100_000)], help_text="Kept at most."
    )
    max_connections = models.PositiveIntegerField(
        "connections",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(1_000_000)],
        help_text="At most, of each gateway process. Empty: no limit.",
    )

    breaker_failures = models.PositiveIntegerField(
        "failures",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(10_000)],
        help_text="So many open it. Empty: there is no circuit breaker.",
    )
    breaker_interval_seconds = models.PositiveIntegerField("within seconds", default=60, validators=_DAY)
    breaker_trip_seconds = models.PositiveIntegerField("open for seconds", default=30, validators=_DAY)
    breaker_statuses = models.CharField(
        "statuses that are failures",
        max_length=200,
        blank=True,
        default="500-599",
        validators=[validate_ranges],
        help_text="Such as 429, 500-599.",
    )
    breaker_counts_errors = models.BooleanField(
        "no answer is a failure",
        default=True,
        help_text="The service cannot be reached, is too slow, or breaks off.",
    )
    breaker_accepts_retry_after = models.BooleanField(
        "obey Retry-After", default=False, help_text="Where a failure has one, it says how long the breaker is open."
    )

    retry_count = models.PositiveSmallIntegerField(
        "retries",
        default=0,
        validators=[MaxValueValidator(MOST_RETRIES)],
        help_text="At most. Only calls whose method may be repeated, such as GET and PUT, are sent again.",
    )
    retry_interval_seconds = models.FloatField(
        "pause in seconds",
        default=0.0,
        validators=[MinValueValidator(0.0), MaxValueValidator(LONGEST_PAUSE_SECONDS)],
        help_text="Before each retry.",
    )
    retry_statuses = models.CharField(
        "statuses to retry",
        max_length=200,
        blank=True,
        default="502-504",
        validators=[validate_ranges],
        help_text="Such as 429, 502-504. No answer at all is always retried.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["title", "pk"]
        constraints = [
            models.UniqueConstraint(
                Lower("name"), name="backend_name_unique", violation_error_message="Another backend has this name."
            ),
            models.CheckConstraint(
                name="backend_has_url_or_is_pool",
                condition=(Q(type="Single") & ~Q(url="")) | Q(type="Pool", url="", sealed=""),
                violation_error_message="Give the URL where the service answers.",
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

    pool = models.ForeignKey(Backend, on_delete=models.CASCADE, related_name="members")
    backend = models.ForeignKey(
        Backend, on_delete=models.PROTECT, related_name="memberships", limit_choices_to={"type": Backend.Type.SINGLE}
    )
    priority = models.PositiveSmallIntegerField(
        default=1, validators=_ONE_TO_HIGHEST, help_text="1 comes first; a higher number only when those before fail."
    )
    weight = models.PositiveSmallIntegerField(
        default=1, validators=_ONE_TO_HIGHEST, help_text="Its share of the calls among members of equal priority."
    )

    class Meta:
        ordering = ["priority", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["pool", "backend"],
                name="pool_member_once",
                violation_error_message="This backend is in the pool already.",
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
            raise ValidationError("Only a pool has members.")
        if self.backend_id is not None and self.backend.is_pool:
            raise ValidationError({"backend": "A pool cannot be in a pool."})
