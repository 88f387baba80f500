"""Bars over time, each a stack of what it is made of; the first series stands on the axis."""

from collections.abc import Iterator

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from analytics.charts.drawing import HEIGHT, drawing, height_of, percent, plain
from analytics.charts.figure import Chart, render

_SHARE_OF_SLOT = 0.84
# So that one failed call among millions is still seen.
_LEAST_PIXELS = 2
# What lies over the colour of a look. Looks that have nothing are plain.
_PATTERNS: dict[str, SafeString] = {
    "failed": SafeString('<path class="chart__stroke" d="M-1 1L1 -1M0 6L6 0M5 7L7 5M-1 5L1 7M0 0L6 6M5 -1L7 1"/>'),
    "blocked": SafeString('<path class="chart__stroke" d="M-1 1L1 -1M0 6L6 0M5 7L7 5"/>'),
    "other": SafeString('<circle class="chart__dot" cx="3" cy="3" r="1.3"/>'),
}


def stacked_bars(chart: Chart) -> SafeString:
    return render(chart, _draw, max(chart.sums, default=0))


def _draw(chart: Chart, top: float) -> SafeString:
    return drawing(chart, top, format_html_join("", "{}", ((one,) for one in _segments(chart, top))), _patterns(chart))


def _segments(chart: Chart, top: float) -> Iterator[SafeString]:
    count, margin = len(chart.slots), (1 - _SHARE_OF_SLOT) / 2
    for position in range(count):
        floor = float(HEIGHT)
        for series, value in zip(chart.series, chart.values_at(position), strict=True):
            if not value:
                continue
            height = min(max(height_of(value, top), _LEAST_PIXELS), floor)
            floor -= height
            yield format_html(
                '<rect class="chart__bar chart__bar--{}" fill="url(#{}-{})" x="{}" y="{}" width="{}" height="{}"/>',
                series.look,
                chart.name,
                series.look,
                percent(position + margin, count),
                plain(floor),
                percent(_SHARE_OF_SLOT, count),
                plain(height),
            )


def _patterns(chart: Chart) -> SafeString:
    """The legend uses them too."""
    patterns = format_html_join(
        "",
        '<pattern id="{}-{}" width="6" height="6" patternUnits="userSpaceOnUse">'
        '<rect class="chart__fill chart__fill--{}" width="6" height="6"/>{}</pattern>',
        ((chart.name, one.look, one.look, _PATTERNS.get(one.look, "")) for one in chart.series),
    )
    return format_html("<defs>{}</defs>", patterns)
