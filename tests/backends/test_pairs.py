"""Secret pairs as lines: stored values stay hidden, and come back for the hidden ones."""

import pytest
from django.core.exceptions import ValidationError

from backends.pairs import HEADER, HIDDEN, QUERY, parse, shown

STORED = (("X-Key", "s3cret"), ("X-Other", "0ther"))


def test_values_are_hidden():
    assert shown(HEADER, STORED) == f"X-Key: {HIDDEN}\nX-Other: {HIDDEN}"
    assert shown(QUERY, STORED) == f"X-Key={HIDDEN}\nX-Other={HIDDEN}"


@pytest.mark.parametrize("kind", [HEADER, QUERY], ids=["headers", "query"])
def test_what_is_shown_is_what_is_stored(kind):
    assert parse(kind, shown(kind, STORED), STORED) == STORED


@pytest.mark.parametrize(
    ("kind", "text", "pairs"),
    [
        pytest.param(HEADER, "a:b", (("a", "b"),), id="no space"),
        pytest.param(HEADER, "\n a : b c:d \r\n\n", (("a", "b c:d"),), id="spaces and empty lines"),
        pytest.param(HEADER, f"x-key: {HIDDEN}", (("x-key", "s3cret"),), id="a header in another case"),
        pytest.param(HEADER, "X-Key: new", (("X-Key", "new"),), id="one replaced, one taken away"),
        pytest.param(HEADER, "", (), id="all taken away"),
        pytest.param(QUERY, "code=a&b c%20ä=", (("code", "a&b c%20ä="),), id="a value as it is"),
        pytest.param(QUERY, "a=1\nA=2", (("a", "1"), ("A", "2")), id="two parameters that differ by case"),
    ],
)
def test_lines(kind, text, pairs):
    assert parse(kind, text, STORED) == pairs


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        pytest.param(HEADER, "s3cret", "Line 1: Write name: value.", id="no separator"),
        pytest.param(HEADER, "s3cret:", "Line 1: Write name: value.", id="no value"),
        pytest.param(HEADER, ": s3cret", "Line 1: Only letters", id="no name"),
        pytest.param(HEADER, "a: b\nx y: s3cret", "Line 2: Only letters", id="no token"),
        pytest.param(HEADER, "Host: s3cret", "Line 1: HTTP itself needs", id="a header of HTTP itself"),
        pytest.param(HEADER, "Transfer-encoding: s3cret", "HTTP itself", id="a header of framing"),
        pytest.param(HEADER, "x-request-id: s3cret", "Line 1: The gateway itself writes", id="a header of the gateway"),
        pytest.param(HEADER, "X_Forwarded_Port: s3cret", "The gateway itself", id="a header of the gateway, disguised"),
        pytest.param(QUERY, "a=s3cret&b=s3cret", "Line 1: Write each parameter on a line", id="several in a line"),
        pytest.param(HEADER, "a: s3cret\x00", "printable ASCII", id="a control character"),
        pytest.param(HEADER, "a: s3cret ä", "printable ASCII", id="a letter outside of ASCII"),
        pytest.param(HEADER, "X-Key: s3cret\nx-key: s3cret", "Line 2: x-key is there twice.", id="twice"),
        pytest.param(HEADER, f"X-New: {HIDDEN}", "There is no stored value", id="hidden without a stored one"),
        pytest.param(QUERY, f"x-key={HIDDEN}", "There is no stored value", id="a parameter in another case"),
        pytest.param(QUERY, "a b=s3cret", "Line 1: Only letters", id="a name that needs encoding"),
        pytest.param(QUERY, "a=s3cret\x7f", "printable", id="a control character in a parameter"),
        pytest.param(QUERY, "a=" + "s3cret" * 700, "at most", id="too long a value"),
        pytest.param(QUERY, "s3cret" * 20 + "=1", "at most", id="too long a name"),
        pytest.param(QUERY, "\n".join(f"s3cret{n}=1" for n in range(21)), "at most 20 lines", id="too many"),
    ],
)
def test_bad_lines_are_told_without_what_is_in_them(kind, text, message):
    with pytest.raises(ValidationError) as raised:
        parse(kind, text, STORED)
    assert message in raised.value.messages[0]
    assert "s3cret" not in raised.value.messages[0]
