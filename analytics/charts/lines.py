"""Lines over time, such as percentiles; they have a gap where there is no value."""

from collections.abc import Iterator, Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from analytics.charts.drawing import HEIGHT, drawing, height_of, plain
from analytics.charts.figure import Chart, Value, render

_WIDTH = 1000


def lines(chart: Chart) -> SafeString:
    most = max((value or 0 for one in chart.series for value in one.values), default=0)
    return render(chart, _draw, most)


def _draw(chart: Chart, top: float) -> SafeString:
    paths = format_html_join(
        "",
        '<path class="chart__curve chart__curve--{}" d="{}"/>',
        ((one.look, " ".join(_steps(one.values, top))) for one in chart.series),
    )
    # Stretched to the width; charts.css keeps the strokes as they are.
    marks = format_html(
        '<svg width="100%" height="{}" viewBox="0 0 {} {}" preserveAspectRatio="none" overflow="visible">{}</svg>',
        HEIGHT,
        _WIDTH,
        HEIGHT,
        paths,
    )
    return drawing(chart, top, marks)


def _steps(values: Sequence[Value], top: float) -> Iterator[str]:
    pen_is_down = False
    for position, value in enumerate(values):
        if value is None:
            pen_is_down = False
            continue
        place = f"{plain((position + 0.5) / len(values) * _WIDTH)} {plain(HEIGHT - height_of(value, top))}"
        # A value between gaps is a stroke without length: its round ends make a point.
        yield f"L{place}" if pen_is_down else f"M{place}L{place}"
        pen_is_down = True
