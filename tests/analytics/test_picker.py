"""The period that a viewer chose, from what the address of a page says."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import pytest
from django.template.loader import render_to_string
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from analytics.periods import Span, Step
from analytics.picker import Period, choose, menu, moments

BERLIN, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")
NOW = datetime(2026, 3, 31, 12, 20, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("period", "start", "end", "step", "bars"),
    [
        ("hour", "2026-03-31T11:30Z", "2026-03-31T12:30Z", Step.QUARTER, 4),
        ("day", "2026-03-30T13:00Z", "2026-03-31T13:00Z", Step.HOUR, 24),
        ("7d", "2026-03-24T23:00Z", "2026-03-31T22:00Z", Step.SIX_HOURS, 28),
        ("30d", "2026-03-01T23:00Z", "2026-03-31T22:00Z", Step.DAY, 30),
        ("90d", "2025-12-31T23:00Z", "2026-03-31T22:00Z", Step.DAY, 90),
        ("", "2026-03-24T23:00Z", "2026-03-31T22:00Z", Step.SIX_HOURS, 28),
    ],
)
def test_a_period_ends_with_what_runs_now_and_has_bars_that_fit(period, start, end, step, bars):
    choice = choose({"period": period}, NOW, BERLIN)
    assert (choice.span, choice.step) == (Span(at(start), at(end)), step)
    assert len(choice.buckets) == bars
    assert choice.problems == ()


@pytest.mark.parametrize(
    ("zone", "period", "name"),
    [(KOLKATA, "7d", "Asia/Kolkata"), (KOLKATA, "day", "Asia/Kolkata"), (UTC, "7d", "UTC"), (UTC, "day", "")],
)
def test_the_time_zone_is_told_once(zone, period, name):
    assert choose({"period": period}, NOW, zone).zone_name == name


def test_as_much_of_the_period_before_is_compared_as_has_passed():
    # Both begin at midnight in Berlin and go up to half past two, before and in summer time.
    choice = choose({"period": "7d"}, NOW, BERLIN)
    assert choice.before == Span(at("2026-03-17T23:00Z"), at("2026-03-24T13:30Z"))
    assert choose({"period": "hour"}, NOW, BERLIN).before == Span(at("2026-03-31T10:30Z"), at("2026-03-31T11:30Z"))


def test_a_custom_period_has_both_its_days_in_the_viewer_s_zone():
    chosen = {"period": "custom", "from": "2026-03-29", "to": "2026-03-29"}
    choice = choose(chosen, NOW, BERLIN)
    assert choice.span == Span(at("2026-03-28T23:00Z"), at("2026-03-29T22:00Z"))
    assert (len(choice.buckets), choice.before.length) == (23, timedelta(hours=24))
    assert choose(chosen, NOW, KOLKATA).span == Span(at("2026-03-28T18:30Z"), at("2026-03-29T18:30Z"))
    assert choice.query == chosen


def test_the_day_on_which_clocks_go_back_has_25_bars():
    choice = choose({"from": "2026-10-25", "to": "2026-10-25"}, NOW, BERLIN)
    assert (choice.period, len(choice.buckets)) == (Period.CUSTOM, 25)


def test_a_bar_chooses_its_own_stretch_of_time():
    for bar in choose({"from": "2026-10-25", "to": "2026-10-25"}, NOW, BERLIN).buckets:
        assert choose(moments(bar), NOW, BERLIN).span == bar


def test_moments_are_widened_to_quarters():
    choice = choose({"from": "2026-03-04T12:07", "to": "2026-03-04T12:31:10+01:00"}, NOW, BERLIN)
    assert choice.span == Span(at("2026-03-04T11:00Z"), at("2026-03-04T11:45Z"))


@pytest.mark.parametrize(
    ("chosen", "says", "refused"),
    [
        pytest.param({"period": "<script>"}, "no period “<script>”", "", id="unknown"),
        pytest.param({"period": "custom"}, "when the period begins", "from", id="no start"),
        pytest.param({"from": "2026-03-01"}, "when the period ends", "to", id="no end"),
        pytest.param({"from": "yesterday", "to": "2026-03-01"}, "“yesterday” is no date", "from", id="words"),
        pytest.param({"from": "2026-02-30", "to": "2026-03-01"}, "“2026-02-30” is no date", "from", id="no such day"),
        pytest.param({"from": "0001-01-01", "to": "2026-03-01"}, "“0001-01-01” is not within", "from", id="first year"),
        pytest.param({"from": "2026-03-01", "to": "9999-12-31"}, "the years 1970 to 2199", "to", id="last year"),
        pytest.param({"from": "2026-03-02", "to": "2026-03-01"}, "ends before it begins", "from to", id="backwards"),
        pytest.param({"from": "2016-03-02", "to": "2026-03-01"}, "at most 1100 days", "from to", id="too long"),
        pytest.param({"from": "x" * 5000, "to": "2026-03-01"}, f"“{'x' * 40}” is no date", "from", id="long"),
        pytest.param({"from": "2026-03-01T00:00+99:00", "to": "2026-03-01"}, "is no date", "from", id="no such zone"),
        pytest.param({"from": "2026-03-01\x00", "to": "2026-03-01"}, "is no date", "from", id="a null"),
    ],
)
def test_what_cannot_be_read_is_told_and_the_default_shown(chosen, says, refused):
    choice = choose(chosen, NOW, BERLIN)
    assert says in choice.problems[0]
    assert choice.refused == set(refused.split())
    assert (choice.period, choice.span) == (Period.WEEK, choose({}, NOW, BERLIN).span)


def shown(**chosen):
    return render_to_string("analytics/_picker.html", {"picker": menu(choose(chosen, NOW, BERLIN), {})})


def test_days_that_were_refused_can_be_corrected():
    page = shown(**{"from": "2026-03-02", "to": "2026-03-01"})
    assert 'name="from" value="2026-03-02"' in page
    assert 'name="to" value="2026-03-01"' in page


def test_a_field_that_was_refused_names_the_reason():
    page = shown(**{"from": "2026-03-02"})
    assert page.index('id="picker-problem"') < page.index('name="from"')
    assert 'name="to" value="" required aria-invalid="true" aria-describedby="picker-problem"' in page
    assert page.count("aria-invalid") == 1
    assert "aria-invalid" not in shown(period="<script>")


@given(
    st.fixed_dictionaries({}, optional={name: st.text(max_size=50) for name in ("period", "from", "to", "compare")}),
    st.sampled_from([BERLIN, KOLKATA, ZoneInfo("America/Havana"), ZoneInfo("Pacific/Kiritimati")]),
)
def test_nothing_that_is_typed_breaks_a_page(chosen, zone):
    choice = choose(chosen, NOW, zone)
    assert choice.buckets
    assert choice.words


def test_the_menu_keeps_filters_and_is_safe_to_show():
    choice = choose({"period": "30d", "compare": "no"}, NOW, BERLIN)
    picker = menu(choice, {"api": '3"><script>', "period": "30d", "compare": "no"})
    labels = {label: (dict(parse_qsl(address[1:])), chosen) for label, address, chosen in picker.options()}
    assert labels["Last hour"] == ({"api": '3"><script>', "period": "hour", "compare": "no"}, False)
    assert labels["Last 30 days"][1]
    assert dict(parse_qsl(picker.toggle_comparison[1:])) == {"api": '3"><script>', "period": "30d"}
    page = render_to_string("analytics/_picker.html", {"picker": picker})
    assert "<script>" not in page
    assert 'name="from" value="2026-03-02"' in page
    assert 'name="to" value="2026-03-31"' in page


def test_periods_are_told_in_the_viewer_s_language():
    choice = choose({"period": "7d"}, NOW, BERLIN)
    assert choice.words == "25 March 2026 – 31 March 2026"
    with translation.override("de"):
        assert choice.words == "25. März 2026 – 31. März 2026"
