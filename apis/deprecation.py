"""That an API or an operation is on its way out: since when, until when, and what comes in its place."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, URLValidator
from django.db import models
from django.db.models import Q
from django.utils.encoding import iri_to_uri
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

MAX_URL_CHARACTERS = 1000
FIELDS = ("deprecated_at", "sunset_at", "successor", "migration_url")


def validate_migration_url(url: str) -> None:
    """A web page whose address, encoded, fits into a field of the gateway's answers."""
    URLValidator(schemes=["http", "https"], message=_("Give the address of a web page: https://…"))(url)
    if "@" in urlsplit(url).netloc:  # RFC 9110 4.2.4
        raise ValidationError(gettext("Leave out the user name and password."))
    MaxLengthValidator(MAX_URL_CHARACTERS)(iri_to_uri(url))


@dataclass(frozen=True, slots=True)
class Deprecation:
    """What callers are told. `since` may lie ahead (RFC 9745 2.1); at `sunset` it stops being offered (RFC 8594)."""

    since: datetime
    sunset: datetime | None
    successor_id: int | None
    migration_url: str

    def within(self, outer: "Deprecation | None") -> "Deprecation":
        """As it is for a part of something that is deprecated too: the earlier times count, and the own links."""
        if outer is None:
            return self
        sunsets = [one.sunset for one in (self, outer) if one.sunset is not None]
        return Deprecation(
            since=min(self.since, outer.since),
            sunset=min(sunsets, default=None),
            successor_id=self.successor_id or outer.successor_id,
            migration_url=self.migration_url or outer.migration_url,
        )

    def has_begun(self, now: datetime) -> bool:
        return self.since <= now

    def is_over(self, now: datetime) -> bool:
        return self.sunset is not None and self.sunset <= now

    def whole_days_left(self, now: datetime) -> int | None:
        """Until the sunset, none below 0; None where none is set."""
        return max((self.sunset - now).days, 0) if self.sunset is not None else None


class Deprecatable(models.Model):
    """What can be marked as deprecated."""

    deprecated_at = models.DateTimeField(
        _("deprecated since"),
        null=True,
        blank=True,
        help_text=_("Callers are told from then on, or of then if it lies ahead. Empty: it is not deprecated."),
    )
    sunset_at = models.DateTimeField(
        _("offered until"),
        null=True,
        blank=True,
        help_text=_("Callers are told when it will be gone. The gateway goes on serving it until you remove it."),
    )
    successor = models.ForeignKey(
        "apis.API",
        verbose_name=_("successor"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("The API that comes in its place."),
    )
    migration_url = models.CharField(
        _("page about the change"),
        max_length=MAX_URL_CHARACTERS,
        blank=True,
        default="",
        db_default="",
        validators=[validate_migration_url],
        help_text=_("Where developers read how they change over: https://…"),
    )

    class Meta:
        abstract = True

    @property
    def own_deprecation(self) -> Deprecation | None:
        if self.deprecated_at is None:
            return None
        return Deprecation(self.deprecated_at, self.sunset_at, self.successor_id, self.migration_url)

    def check_deprecation(self, api_id: int | None) -> None:
        """`api_id` is the API that this is, or belongs to. Raises ValidationError."""
        if self.deprecated_at is None:
            if self.sunset_at is not None or self.successor_id is not None or self.migration_url:
                raise ValidationError({"deprecated_at": gettext("Say since when it is deprecated.")})
        elif self.sunset_at is not None and self.sunset_at < self.deprecated_at:  # RFC 9745 4
            raise ValidationError({"sunset_at": gettext("This is before the time since when it is deprecated.")})
        if self.successor_id is not None and self.successor_id == api_id:
            raise ValidationError({"successor": gettext("Choose another API than this one.")})


def sunset_follows(name: str) -> models.CheckConstraint:
    return models.CheckConstraint(
        name=name,
        condition=Q(sunset_at=None) | Q(deprecated_at__isnull=False, sunset_at__gte=models.F("deprecated_at")),
    )
