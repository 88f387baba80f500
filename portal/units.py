"""Numbers of calls, bytes and times as people read them, in the viewer's language."""

from dataclasses import dataclass
from math import floor, log10

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

SIGNIFICANT_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Unit:
    """From which value on it is written in which multiple, and how; the least first."""

    multiples: tuple[tuple[float, float, str | Promise], ...]
    is_whole: bool = False

    def short(self, value: float | None, *, like: float | None = None) -> str:
        """With three digits at most, such as 1.23 MB; a dash where there is no value.

        It is in the multiple that fits, or that fits the value `like`.
        """
        if value is None:
            return "–"
        size = abs(value if like is None else like)
        _least, factor, text = [one for one in self.multiples if one[0] <= size][-1]
        return str(text) % {"number": _number(value / factor)}

    def exact(self, value: float | None) -> str:
        """Whole numbers in full, others as `short` has them."""
        if value is None or not self.is_whole:
            return self.short(value)
        return number_format(round(value), force_grouping=True)


COUNT = Unit(
    (
        (0, 1, "%(number)s"),
        (1e4, 1e3, _("%(number)s k")),
        (1e6, 1e6, _("%(number)s M")),
        (1e9, 1e9, _("%(number)s G")),
    ),
    is_whole=True,
)
BYTES = Unit(
    (
        (0, 1, _("%(number)s B")),
        (1e3, 1e3, _("%(number)s kB")),
        (1e6, 1e6, _("%(number)s MB")),
        (1e9, 1e9, _("%(number)s GB")),
        (1e12, 1e12, _("%(number)s TB")),
    )
)
MICROSECONDS = Unit(((0, 1, _("%(number)s µs")), (1e3, 1e3, _("%(number)s ms")), (1e6, 1e6, _("%(number)s s"))))
PERCENT = Unit(((0, 1, _("%(number)s %%")),))


def _number(value: float) -> str:
    digits = SIGNIFICANT_DIGITS - 1 - floor(log10(abs(value))) if value else 0
    rounded = round(value, max(digits, 0))
    decimals = len(f"{rounded:.{max(min(digits, 6), 0)}f}".rstrip("0").partition(".")[2])
    return number_format(rounded, decimals, force_grouping=True)
