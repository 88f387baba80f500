"""In which language, and by which clock, a person reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.utils import timezone, translation

from accounts.models import User

REGIONS = ("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


@cache
def _known_zones() -> frozenset[str]:
    """Without those that each machine understands in its own way, or as none."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


@cache
def time_zones() -> tuple[str, ...]:
    """The names that people choose from. More are known, which are kept for old data."""
    return ("UTC", *sorted(name for name in _known_zones() if name.partition("/")[0] in REGIONS))


def zone_named(name: str) -> ZoneInfo | None:
    """The time zone, however its name came here; None if there is none of that name."""
    return ZoneInfo(name) if name in _known_zones() else None


@contextmanager
def as_read_by(user: User) -> Iterator[None]:
    """Write in the person's language and time zone, also where no request of his says which."""
    zone = zone_named(user.time_zone) or timezone.get_default_timezone()
    with translation.override(user.language or settings.LANGUAGE_CODE), timezone.override(zone):
        yield
