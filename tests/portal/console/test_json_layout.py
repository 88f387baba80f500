"""JSON is laid out without changing a value."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.console import json_layout

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=40,
)


@pytest.mark.parametrize(
    ("text", "laid_out"),
    [
        pytest.param('{"a":1.10,"a":1e400}', '{\n  "a": 1.10,\n  "a": 1e400\n}', id="numbers and repeated names"),
        pytest.param("[12345678901234567890123]", "[12345678901234567890123]", id="a long integer"),
        pytest.param('"a\\"[{,:"', '"a\\"[{,:"', id="a string with everything"),
        pytest.param("[ ]", "[]", id="empty"),
        pytest.param('[["1","2"],{ }]', '[\n  ["1", "2"],\n  {}\n]', id="short lists stay on a line"),
        pytest.param(
            json.dumps(["x" * 20] * 3), '[\n  "{0}",\n  "{0}",\n  "{0}"\n]'.format("x" * 20), id="long ones do not"
        ),
        pytest.param('"\\ud800"', '"\\ud800"', id="half of a pair"),
    ],
)
def test_layout(text, laid_out):
    assert json_layout.lay_out(text) == laid_out


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("{} {}", id="two values"),
        pytest.param("[1,]", id="comma at the end"),
        pytest.param("NaN", id="not a number"),
        pytest.param("[" * 100_000, id="deep and broken"),
        pytest.param("[" * 100_000 + "]" * 100_000, id="deep"),
        pytest.param("[" * 500 + "{},".join([""] * 400_000) + "1" + "]" * 500, id="wide and deep"),
    ],
)
def test_what_cannot_be_laid_out(text):
    with pytest.raises(ValueError):  # noqa: PT011  # The parser's messages are Python's own.
        json_layout.lay_out(text)


@given(VALUES)
def test_no_value_changes(value):
    assert json.loads(json_layout.lay_out(json.dumps(value))) == value
