"""A row's values over time, small enough to stand in a table."""

from collections.abc import Sequence

from django.utils.html import format_html
from django.utils.safestring import SafeString

from analytics.charts.drawing import plain

_WIDTH, _HEIGHT = 96, 24


def sparkline(values: Sequence[float], words: str) -> SafeString:
    """`words` tell those who do not see it what it shows."""
    most, count = max(values, default=0) or 1, max(len(values) - 1, 1)
    places = [
        f"{plain(position / count * _WIDTH)} {plain(_HEIGHT - 1 - value / most * (_HEIGHT - 2))}"
        for position, value in enumerate(values)
    ]
    line = f"M{'L'.join(places)}" if places else ""
    return format_html(
        '<svg class="sparkline" width="{}" height="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        '<path class="sparkline__area" d="{}"/><path class="sparkline__line" d="{}"/></svg>',
        _WIDTH,
        _HEIGHT,
        _WIDTH,
        _HEIGHT,
        words,
        f"{line}L{_WIDTH} {_HEIGHT}L0 {_HEIGHT}Z" if line else "",
        line,
    )
