"""The SVG that charts share: it is as wide as its place, so that its texts keep their size.

Places along the axis of time are shares of the width, heights are pixels.
"""

from collections.abc import Iterator, Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from analytics.charts.figure import Chart, Slot
from analytics.charts.scale import ticks

HEIGHT = 180
_ROOM_FOR_TICKS = 24
# A tick's text this near to an edge begins or ends there, unless slots are wide enough for it.
_NEAR_AN_EDGE = 0.08
_WIDE_SLOTS = 4


def drawing(chart: Chart, top: float, marks: SafeString, definitions: SafeString | str = "") -> SafeString:
    """Lines of the axis, then `marks`, then what one points at: each slot, with its values in words."""
    return format_html(
        '<svg class="chart__drawing" width="100%" height="{}" {} aria-labelledby="{}-title">{}{}{}{}{}</svg>',
        HEIGHT + _ROOM_FOR_TICKS,
        _role(chart),
        chart.name,
        definitions,
        _lines(top, is_whole=chart.unit.is_whole),
        marks,
        format_html_join("", "{}", ((_target(chart, position),) for position in range(len(chart.slots)))),
        format_html_join("", "{}", ((tick,) for tick in _ticks(chart.slots))),
    )


def _role(chart: Chart) -> SafeString:
    """What has no links is one picture to a screen reader."""
    if not chart.has_links:
        return SafeString('role="img"')
    return format_html('role="group" aria-roledescription="{}"', gettext("chart"))


def height_of(value: float, top: float) -> float:
    return HEIGHT * min(value / top, 1)


def percent(number: float, count: int) -> str:
    return f"{plain(100 * number / count)}%"


def plain(number: float) -> str:
    """As SVG writes numbers, whatever the language."""
    return f"{number:.2f}".rstrip("0").rstrip(".")


def _lines(top: float, *, is_whole: bool) -> SafeString:
    marks = ticks(top, is_whole=is_whole)
    heights = ((plain(HEIGHT - height_of(mark, top)),) * 2 for mark in marks)
    return format_html_join("", '<line class="chart__line" x1="0" x2="100%" y1="{}" y2="{}"/>', heights)


def _target(chart: Chart, position: int) -> SafeString:
    slot, words = chart.slots[position], chart.described(position)
    area = format_html(
        '<rect class="chart__target" x="{}" y="0" width="{}" height="{}"><title>{}</title></rect>',
        percent(position, len(chart.slots)),
        percent(1, len(chart.slots)),
        HEIGHT,
        words,
    )
    return format_html('<a href="{}" aria-label="{}">{}</a>', slot.link, words, area) if slot.link else area


def _ticks(slots: Sequence[Slot]) -> Iterator[SafeString]:
    for position, slot in enumerate(slots):
        if slot.tick:
            place, anchor = _place(position, len(slots))
            yield format_html(
                '<text class="chart__tick{}" x="{}" y="{}" text-anchor="{}" aria-hidden="true">{}</text>',
                " chart__tick--minor" if slot.is_minor else "",
                percent(place, len(slots)),
                HEIGHT + _ROOM_FOR_TICKS - 6,
                anchor,
                slot.tick,
            )


def _place(position: int, count: int) -> tuple[float, str]:
    """Where a tick's text is, in slots, and which of its ends or its middle."""
    if count > _WIDE_SLOTS:
        if position + 0.5 < count * _NEAR_AN_EDGE:
            return position, "start"
        if position + 0.5 > count * (1 - _NEAR_AN_EDGE):
            return position + 1, "end"
    return position + 0.5, "middle"
