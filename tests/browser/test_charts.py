"""A chart whose bars are links, by keyboard."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from analytics.charts.bars import stacked_bars
from analytics.charts.figure import Chart, Series, Slot
from portal.units import COUNT

STATIC = Path(__file__).resolve().parent.parent.parent / "static"
FIRST, MIDDLE, LAST = "Monday, Calls: 1", "Tuesday, Calls: 22", "Wednesday, Calls: 0"


@pytest.fixture
def chart(page) -> Page:
    """A page of a chart between two other stops of the Tab key; that before it has the focus."""
    slots = [Slot(day, link=f"#{day}") for day in ("Monday", "Tuesday", "Wednesday")]
    figure = stacked_bars(Chart("calls", "Calls", COUNT, slots, [Series("Calls", "success", [1, 22, 0])]))
    page.set_content(f'<p><a href="#before">Before</a></p>{figure}')
    page.add_style_tag(path=STATIC / "css" / "charts.css")
    page.get_by_role("link", name="Before").focus()
    return page


@pytest.fixture
def with_script(chart) -> Page:
    chart.add_script_tag(path=STATIC / "js" / "charts.js")
    return chart


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def bar(page: Page, name: str):
    return page.get_by_role("link", name=name, exact=True)


def test_chart_is_one_stop_and_arrow_keys_go_along_it(with_script):
    press(with_script, "Tab")
    expect(bar(with_script, FIRST)).to_be_focused()
    for key, name in [("ArrowRight", MIDDLE), ("End", LAST), ("ArrowRight", LAST), ("ArrowLeft", MIDDLE)]:
        press(with_script, key)
        expect(bar(with_script, name)).to_be_focused()
    press(with_script, "Tab")
    expect(with_script.locator("summary")).to_be_focused()
    press(with_script, "Shift+Tab")
    expect(bar(with_script, MIDDLE)).to_be_focused()
    press(with_script, "Home", "ArrowLeft")
    expect(bar(with_script, FIRST)).to_be_focused()


def test_focused_bar_is_told_in_words_and_enter_follows_it(with_script):
    told = with_script.locator(".chart__reading")
    expect(told).to_be_hidden()
    press(with_script, "Tab", "ArrowRight")
    expect(told).to_contain_text(MIDDLE)
    press(with_script, "Enter")
    expect(with_script).to_have_url("about:blank#Tuesday")
    press(with_script, "Tab")
    expect(told).to_be_hidden()


def test_screen_reader_hears_what_the_chart_is_and_which_keys_it_takes(with_script):
    drawing = with_script.get_by_role("toolbar", name="Calls")
    expect(drawing).to_have_accessible_description("Arrow keys go along the chart, Enter leads to the calls.")
    expect(drawing).to_have_attribute("aria-roledescription", "chart")
    expect(drawing.get_by_role("link")).to_have_count(3)


def test_keys_of_the_browser_stay_its_own(with_script):
    press(with_script, "Tab", "ArrowRight", "Alt+ArrowLeft", "Control+Home", "Shift+ArrowRight")
    expect(bar(with_script, MIDDLE)).to_be_focused()


def test_without_the_script_each_bar_is_a_stop_and_all_can_be_skipped(chart):
    press(chart, "Tab")
    expect(chart.get_by_role("link", name="Skip the chart")).to_be_focused()
    for name in (FIRST, MIDDLE, LAST):
        press(chart, "Tab")
        expect(bar(chart, name)).to_be_focused()
    press(chart, "Shift+Tab", "Shift+Tab", "Shift+Tab", "Enter")
    expect(chart).to_have_url("about:blank#calls-data")
