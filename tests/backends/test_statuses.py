"""Ranges of statuses as a person writes them."""

import pytest
from django.core.exceptions import ValidationError

from backends.statuses import parse_ranges, validate_ranges


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("", ()),
        ("429", ((429, 429),)),
        ("500-599", ((500, 599),)),
        (" 429 ,500 - 599", ((429, 429), (500, 599))),
        ("200-599", ((200, 599),)),
    ],
)
def test_ranges(text, ranges):
    assert parse_ranges(text) == ranges
    validate_ranges(text)


def test_a_comma_too_many_is_told():
    with pytest.raises(ValidationError, match="a comma too many"):
        validate_ranges("429,,500")


@pytest.mark.parametrize(
    "text",
    ["all", "5xx", "99", "600", "199-200", "599-500", "500-", "-500", ",", "500,,501", "٥٠٠", "5" * 30, "200," * 11],
)
def test_bad_ranges(text):
    with pytest.raises(ValidationError):
        validate_ranges(text)
