"""`$filter` and `$orderby`: what they mean, and where a mistake is."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.reports.filters import Condition, FilterError, Kind, parse, parse_order

FIELDS = {"timestamp": Kind.TIME, "apiId": Kind.NUMBER, "subscriptionId": Kind.GUID, "url": Kind.TEXT}
GUID = "abcdefab-0000-0000-0000-000000000001"


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        pytest.param("", [], id="none"),
        pytest.param("apiId eq 3", [("apiId", "eq", 3)], id="a number"),
        pytest.param("apiId eq '3'", [("apiId", "eq", 3)], id="a number in quotes"),
        pytest.param(f"subscriptionId ne {GUID}", [("subscriptionId", "ne", UUID(GUID))], id="a GUID"),
        pytest.param(f"subscriptionId eq '{UUID(GUID).hex}'", [("subscriptionId", "eq", UUID(GUID))], id="of 32"),
        pytest.param(f"subscriptionId eq {UUID(GUID).hex}", [("subscriptionId", "eq", UUID(GUID))], id="like a word"),
        pytest.param("url eq 'it''s and'", [("url", "eq", "it's and")], id="a quote within"),
        pytest.param("contains(url, 'a,b')", [("url", "contains", "a,b")], id="contains"),
        pytest.param("substringof('a(b', url)", [("url", "contains", "a(b")], id="OData 3's order"),
        pytest.param("startswith(url,'/')", [("url", "startswith", "/")], id="startswith"),
        pytest.param(
            "timestamp ge datetime'2026-03-04T12:00' and timestamp lt 2026-03-04T13:30:00+01:00",
            [
                ("timestamp", "ge", datetime(2026, 3, 4, 12, tzinfo=UTC)),
                ("timestamp", "lt", datetime(2026, 3, 4, 12, 30, tzinfo=UTC)),
            ],
            id="times, of UTC where they do not say",
        ),
    ],
)
def test_filters_say_what_must_hold(text, conditions):
    assert parse(text, FIELDS) == [Condition(*one) for one in conditions]


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        pytest.param("price eq 3", 0, "no field price", id="an unknown field"),
        pytest.param("apiId is 3", 6, "Expected one of", id="an unknown operator"),
        pytest.param("apiId eq", 8, "Expected a value", id="no value"),
        pytest.param("apiId eq three", 9, "Expected a whole number", id="not a number"),
        pytest.param("apiId eq 9999999999999999999", 9, "Expected a whole number", id="too large a number"),
        pytest.param("apiId eq 1 or apiId eq 2", 11, 'Expected "and"', id="or"),
        pytest.param("url eq 'a", 7, "no end", id="an open quote"),
        pytest.param("url eq a", 7, "Expected a text", id="no quotes"),
        pytest.param("url eq 'a\0'", 7, "Expected a text", id="a NUL"),
        pytest.param("url eq '\ud800'", 7, "Expected a text", id="half a surrogate pair"),
        pytest.param("contains(apiId, '1')", 9, "apiId is none", id="a number is no text"),
        pytest.param("timestamp ge yesterday", 13, "Expected a time", id="not a time"),
        pytest.param("timestamp ge 0001-01-01T00:00+23:59", 13, "Expected a time", id="a time before all"),
        pytest.param("(apiId eq 1)", 0, "Expected a word", id="brackets"),
        pytest.param(" and ".join(["apiId eq 1"] * 21), 300, "more than 20", id="too many"),
        pytest.param("x" * 2001, 2000, "longer than 2000", id="too long"),
    ],
)
def test_mistakes_are_told_with_their_place(text, position, message):
    with pytest.raises(FilterError, match=message) as error:
        parse(text, FIELDS)
    assert error.value.position == position


@given(st.text(st.sampled_from("apiId eq'3() ,andtime\0é"), max_size=60))
def test_any_text_is_a_filter_or_a_mistake_within_it(text):
    position = 0
    try:
        parse(text, FIELDS)
    except FilterError as error:
        position = error.position
    assert 0 <= position <= len(text)


def test_order_has_a_field_and_a_direction():
    fields = frozenset({"name", "bandwidth"})
    assert parse_order("", fields) is None
    assert parse_order("name", fields) == parse_order("name asc", fields) == ("name", False)
    assert parse_order("bandwidth desc", fields) == ("bandwidth", True)
    for wrong in ("price", "name down", "name asc, bandwidth"):
        with pytest.raises(FilterError):
            parse_order(wrong, fields)
