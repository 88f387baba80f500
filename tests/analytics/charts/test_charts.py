"""Charts as they reach a browser: well-formed, true to their values, and with a table behind."""

import random
import re
from datetime import UTC, datetime
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation

from analytics.charts.bars import stacked_bars
from analytics.charts.figure import Chart, Series, Slot
from analytics.charts.lines import lines
from analytics.charts.scale import ticks
from analytics.charts.sparkline import sparkline
from analytics.charts.time_axis import slots
from analytics.picker import choose
from portal.units import BYTES, COUNT, MICROSECONDS, PERCENT


def calls(*values, title="Calls", link="", name="Failed"):
    found = [Slot(f"slot {number}", link=link) for number in range(len(values))]
    series = [
        Series(name, "failed", [failed for failed, _ in values]),
        Series("Good", "success", [g for _, g in values]),
    ]
    return Chart("calls", title, COUNT, found, series, total="All")


def parsed(html: str) -> ElementTree.Element:
    """As XML, which is stricter than HTML."""
    text = re.sub(r"<(input[^>]*)>", r"<\1/>", html).replace("&nbsp;", " ")
    return ElementTree.fromstring(text)


def bars_of(html: str) -> list[dict[str, float]]:
    found = [one for one in parsed(html).iter("rect") if "chart__bar" in one.get("class", "")]
    return [{name: float(one.get(name).rstrip("%")) for name in ("x", "y", "width", "height")} for one in found]


def test_bars_are_as_high_as_their_values():
    failed, good, more = bars_of(stacked_bars(calls((25, 75), (0, 50))))
    assert (failed["height"], good["height"], more["height"]) == (45, 135, 90)
    assert failed["y"] + failed["height"] == 180
    assert good["y"] + good["height"] == failed["y"]
    assert (failed["x"], more["x"]) == (4, 54)


def test_one_failed_call_among_a_million_is_seen():
    failed, good = bars_of(stacked_bars(calls((1, 999_999))))
    assert failed["height"] == 2
    assert good["y"] >= 0


def test_random_values_make_well_formed_charts_that_stay_inside():
    draw = random.Random(5)
    for count in (1, 2, 24, 105):
        chart = calls(*((draw.randrange(10**9), draw.choice([0, draw.randrange(10**9)])) for _ in range(count)))
        for bar in bars_of(stacked_bars(chart)):
            assert 0 <= bar["x"] <= 100 - bar["width"] + 0.01
            assert 0 <= bar["y"] <= bar["y"] + bar["height"] <= 180.01
        parsed(lines(chart))


def test_the_table_has_the_values_of_the_bars():
    figure = parsed(stacked_bars(calls((1, 1234), (0, 0), link="/calls/?a=1&b=2")))
    rows = [[("".join(cell.itertext())) for cell in row] for row in figure.iter("tr")]
    assert rows == [["Time", "Failed", "Good", "All"], ["slot 0", "1", "1,234", "1,235"], ["slot 1", "0", "0", "0"]]
    assert [link.get("href") for link in figure.iter("a")] == ["#calls-data"] + ["/calls/?a=1&b=2"] * 4


def test_each_bar_says_in_words_what_it_shows():
    figure = parsed(stacked_bars(calls((2, 1234), (0, 7), link="/x")))
    named = [link.get("aria-label") for link in figure.iter("a") if link.get("aria-label")]
    assert named == ["slot 0, All: 1,236, Failed: 2, Good: 1,234", "slot 1, All: 7, Good: 7"]
    assert [title.text for title in figure.iter("title")] == named


def test_a_drawing_with_links_is_a_group_and_one_without_an_image():
    for link, role in (("/x", "group"), ("", "img")):
        drawing = next(one for one in parsed(stacked_bars(calls((1, 1), link=link))).iter("svg") if one.get("role"))
        assert (drawing.get("role"), drawing.get("aria-labelledby")) == (role, "calls-title")


@pytest.mark.parametrize("draw", [stacked_bars, lines])
def test_names_cannot_break_out(draw):
    html = draw(calls((1, 2), title='<script>alert(1)</script>"', name="</svg><script>", link='"><script>'))
    assert "<script>" not in html
    assert next(parsed(html).iter("figcaption")).text == '<script>alert(1)</script>"'
    assert "style=" not in html


@pytest.mark.parametrize("draw", [stacked_bars, lines])
@pytest.mark.parametrize("values", [[], [(0, 0)], [(None, None)] * 3])
def test_nothing_is_said_to_be_nothing(draw, values):
    html = draw(calls(*values))
    assert "No calls in this period." in html
    assert "<svg" not in html


def test_lines_have_gaps_where_there_is_no_value():
    series = [Series("p50", "p50", [1, 2, None, 4, None])]
    chart = Chart("latency", "Latency", MICROSECONDS, [Slot(str(n)) for n in range(5)], series)
    (path,) = (one.get("d") for one in parsed(lines(chart)).iter("path") if len(one.get("d")) > 10)
    assert path == "M100 135L100 135 L300 90 M700 0L700 0"


def test_numbers_in_a_drawing_are_not_written_as_people_write_them():
    with translation.override("de"):
        html = stacked_bars(calls((1, 2), (3, 4), (5, 60_000)))
    assert "60.000" in html
    assert len(bars_of(html)) == 6


def test_a_sparkline_goes_from_edge_to_edge():
    html = sparkline([0, 5, 10], "<b>")
    path = parsed(html)[1].get("d")
    assert path == "M0 23L48 12L96 1"
    assert parsed(html).get("aria-label") == "<b>"
    for values in ([], [0], [0, 0]):
        parsed(sparkline(values, ""))


@pytest.mark.parametrize(
    ("most", "is_whole", "expected"),
    [
        (1, True, [0, 1]),
        (3, True, [0, 1, 2, 3]),
        (7, True, [0, 2, 4, 6, 8]),
        (100, True, [0, 50, 100]),
        (101, True, [0, 50, 100, 150]),
        (999_999, True, [0, 500_000, 1_000_000]),
        (0.3, False, [0, 0.1, 0.2, 0.3]),
    ],
)
def test_an_axis_has_round_numbers(most, is_whole, expected):
    assert ticks(most, is_whole=is_whole) == pytest.approx(expected)


def test_an_axis_always_reaches_the_highest_value():
    draw = random.Random(7)
    for _ in range(2000):
        most = 10 ** draw.uniform(-3, 15)
        found = ticks(most)
        assert found[0] == 0
        assert found[-1] >= most * (1 - 1e-6)
        assert 2 <= len(found) <= 6


@pytest.mark.parametrize(
    ("unit", "value", "short", "exact"),
    [
        (COUNT, 0, "0", "0"),
        (COUNT, 9_999, "9,999", "9,999"),
        (COUNT, 12_345, "12.3 k", "12,345"),
        (COUNT, 999_999, "1,000 k", "999,999"),
        (COUNT, 1_500_000, "1.5 M", "1,500,000"),
        (BYTES, 512, "512 B", "512 B"),
        (BYTES, 1_234_567, "1.23 MB", "1.23 MB"),
        (BYTES, 5e14, "500 TB", "500 TB"),
        (MICROSECONDS, 850, "850 µs", "850 µs"),
        (MICROSECONDS, 12_000, "12 ms", "12 ms"),
        (MICROSECONDS, 1_530_000, "1.53 s", "1.53 s"),
        (MICROSECONDS, None, "–", "–"),
        (PERCENT, 0.0213, "0.0213 %", "0.0213 %"),
    ],
)
def test_numbers_are_written_for_people(unit, value, short, exact):
    assert (unit.short(value).replace("\u00a0", " "), unit.exact(value).replace("\u00a0", " ")) == (short, exact)


def test_numbers_are_written_in_the_viewer_s_language():
    with translation.override("de"):
        assert COUNT.exact(1_234_567) == "1.234.567"
        assert BYTES.short(1_234_567).startswith("1,23")


@pytest.mark.parametrize(
    ("period", "ticks_shown"),
    [
        ({"period": "hour"}, ["17:00", "17:15", "17:30", "17:45"]),
        ({"period": "day"}, ["18:00", "22:00", "02:00", "06:00", "10:00", "14:00"]),
        ({"period": "7d"}, ["Mar 25", "Mar 26", "Mar 27", "Mar 28", "Mar 29", "Mar 30", "Mar 31"]),
        ({"period": "30d"}, ["Mar 2", "Mar 7", "Mar 12", "Mar 17", "Mar 22", "Mar 27"]),
    ],
)
def test_time_is_named_by_the_viewer_s_clock(period, ticks_shown):
    zone, now = ZoneInfo("Asia/Kolkata"), datetime(2026, 3, 31, 12, 20, tzinfo=UTC)
    choice = choose(period, now, zone)
    found = slots(choice.buckets, choice.step, zone, now)
    assert [slot.tick for slot in found if slot.tick] == ticks_shown
    assert sum(1 for slot in found if slot.tick and not slot.is_minor) <= 4
    assert [slot.label for slot in found if "so far" in slot.label] == [found[-1].label] or period == {"period": "7d"}


def test_an_hour_that_happens_twice_is_told_apart():
    zone = ZoneInfo("Europe/Berlin")
    choice = choose({"from": "2026-10-25", "to": "2026-10-25"}, datetime(2026, 11, 1, tzinfo=UTC), zone)
    labels = [slot.label for slot in slots(choice.buckets, choice.step, zone, choice.now)]
    assert labels[2:4] == ["25 October 2026, 02:00 – 02:00 CEST", "25 October 2026, 02:00 – 03:00 CET"]
    assert len(set(labels)) == 25
