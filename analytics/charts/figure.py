"""What a chart shows, and the figure around its drawing: title, legend, axis, and the table behind it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from analytics.charts.scale import ticks
from portal.units import Unit

Value = float | None


@dataclass(frozen=True, slots=True)
class Slot:
    """A place on the axis of time. What has no `tick` is not named there; `is_minor` gives way on a narrow screen."""

    label: str
    tick: str = ""
    is_minor: bool = False
    link: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """A value for each slot, None where there is none. `look` is one of charts.css, such as `failed` or `p95`."""

    name: str
    look: str
    values: Sequence[Value]
    summary: str = ""
    """Stands beside the name in the legend, such as the total."""


@dataclass(frozen=True)
class Chart:
    """`name` tells it from others of the page, as part of HTML ids."""

    name: str
    title: str
    unit: Unit
    slots: Sequence[Slot]
    series: Sequence[Series]
    total: str = ""
    """The heading of the table's column of sums, where they make sense."""

    @property
    def is_empty(self) -> bool:
        return not any(value for one in self.series for value in one.values)

    @property
    def has_links(self) -> bool:
        return any(slot.link for slot in self.slots)

    def values_at(self, position: int) -> list[Value]:
        return [one.values[position] for one in self.series]

    @cached_property
    def cells(self) -> list[list[str]]:
        """The table's: for each slot the values as they are read, and their sum if there is a `total`."""
        columns = [[self.unit.exact(value) for value in one.values] for one in self.series]
        if self.total:
            columns.append([self.unit.exact(value) for value in self.sums])
        return list(map(list, zip(*columns, strict=True)))

    @cached_property
    def sums(self) -> list[float]:
        return [sum(value or 0 for value in self.values_at(position)) for position in range(len(self.slots))]

    def described(self, position: int) -> str:
        """A slot in words: when it was, and each value that is not zero."""
        cells, values = self.cells[position], self.values_at(position)
        parts = [f"{one.name}: {cell}" for one, cell, value in zip(self.series, cells, values, strict=False) if value]
        if self.total or not parts:
            value = self.sums[position] if any(value is not None for value in values) else None
            parts.insert(0, f"{self.total or self.title}: {self.unit.exact(value)}")
        return ", ".join([self.slots[position].label, *parts])


def render(chart: Chart, draw: Callable[[Chart, float], SafeString], most: float) -> SafeString:
    """The figure; `draw` gets the value at the top of the axis, which is at least `most`."""
    context: dict[str, object] = {"chart": chart, "is_empty": chart.is_empty}
    if not chart.is_empty:
        marks = ticks(most, is_whole=chart.unit.is_whole)
        context |= {
            "drawing": draw(chart, marks[-1]),
            "axis": [chart.unit.short(mark, like=marks[-1]) for mark in reversed(marks)],
            "rows": zip(chart.slots, chart.cells, strict=True),
        }
    return render_to_string("analytics/_chart.html", context)
