"""Ranges of HTTP statuses, written as `429, 500-599`."""

import re

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

# Azure's bounds (CircuitBreakerFailureCondition).
MAX_RANGES = 10
FIRST, LAST = 200, 599

_RANGE = re.compile(r"([0-9]{3})(?:\s*-\s*([0-9]{3}))?")


def parse_ranges(text: str) -> tuple[tuple[int, int], ...]:
    """The first and the last status of each range. Raises ValueError that says what is wrong."""
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    if len(parts) > MAX_RANGES:
        raise ValueError(_("Give at most %(limit)s statuses or ranges.") % {"limit": MAX_RANGES})
    return tuple(_range(part) for part in parts)


def _range(part: str) -> tuple[int, int]:
    if not part:
        raise ValueError(_("There is a comma too many: write them as 429, 500-599."))
    found = _RANGE.fullmatch(part)
    if found is None:
        raise ValueError(
            _("'%(part)s' is neither a status nor a range: write them as 429, 500-599.") % {"part": part[:20]}
        )
    first, last = int(found[1]), int(found[2] or found[1])
    if not FIRST <= first <= last <= LAST:
        raise ValueError(
            _("'%(part)s' is not within %(first)s-%(last)s, or its end comes before its start.")
            % {"part": part, "first": FIRST, "last": LAST}
        )
    return first, last


def validate_ranges(text: str) -> None:
    try:
        parse_ranges(text)
    except ValueError as error:
        raise ValidationError(str(error)) from error
