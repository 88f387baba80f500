"""Which calls a page of the dashboard is about: of which API, operation, product, subscription and user."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext as _

from analytics.periods import Span
from analytics.reports.breakdown import FIELDS
from analytics.reports.totals import Selection
from portal.administration.usage.dimensions import Dimension, refused

_MOST = 2**63 - 1
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Filters:
    """The values that calls must have, by dimension; zeros stand for none."""

    values: Mapping[Dimension, int | UUID]
    problems: tuple[str, ...] = ()

    @property
    def query(self) -> dict[str, str]:
        return {dimension.name: str(value) for dimension, value in self.values.items()}

    def without(self, dimension: Dimension) -> dict[str, str]:
        return {name: value for name, value in self.query.items() if name != dimension.name}

    def selection(self, span: Span) -> Selection:
        conditions = {dimension.field: value for dimension, value in self.values.items()}
        return Selection(span, Q(**conditions), frozenset(conditions))

    @property
    def tell_countries(self) -> bool:
        """Where calls came from is known by API only."""
        return all(dimension.name == "api" for dimension in self.values)


def read(parameters: Mapping[str, str], dimensions: Mapping[str, Dimension]) -> Filters:
    """By the dimensions that the viewer may look at. What cannot be used is told, and left out."""
    values: dict[Dimension, int | UUID] = {}
    problems = list(refused(parameters, dimensions).values())
    for dimension in dimensions.values():
        text = parameters.get(dimension.name, "")
        if not text:
            continue
        if dimension.field not in FIELDS:
            told = _("%(dimension)s: only single calls can be narrowed to one. You see all.")
            problems.append(told % {"dimension": dimension.label})
        else:
            try:
                values[dimension] = _value(text, dimension)
            except ValueError:
                told = _("%(dimension)s: “%(text)s” is no number of one. You see all.")
                problems.append(told % {"dimension": dimension.label, "text": text[:_SHOWN_CHARACTERS]})
    return Filters(values, tuple(problems))


def _value(text: str, dimension: Dimension) -> int | UUID:
    """Raises ValueError."""
    if dimension.field == "subscription_id":
        return UUID(text)
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= _MOST):
        raise ValueError(text)
    return int(text)
