"""Policy documents: whatever is pasted compiles or is refused at a place in the text, and soon."""

import re
import time
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from policies.compiler import PolicyError, ProductPolicyValues, compile_product_policy
from policies.document import MAX_BYTES, parse
from tests.fuzz.pieces import mutated
from tests.policies.test_product_policy import NAMES as NAMED

NUMBERS = st.sampled_from(
    ["echo", "get", "twin", "0", "1", "60", "-1", "+1", "1e3", "99999999999999999999", "", " 1", "\u0661", "@(1)", "x"]
)
NAMES = st.sampled_from(
    ["calls", "renewal-period", "bandwidth", "id", "name", "retry-after-header-name", "xmlns", "a:b"]
)
ATTRIBUTES = st.lists(st.builds(lambda name, value: f' {name}="{value}"', NAMES, NUMBERS), max_size=3).map("".join)
ELEMENTS = [
    "policies",
    "inbound",
    "backend",
    "outbound",
    "on-error",
    "base",
    "rate-limit",
    "quota",
    "api",
    "operation",
    "x",
]
TEXTS = [
    "",
    " ",
    "text",
    "&lt;",
    "&#65;",
    "&#0;",
    "&#x10FFFF;",
    "&a;",
    "<!-- x -->",
    "<![CDATA[ ]]>",
    "<?a b?>",
    "\n",
    "]]>",
    "\ud800",
]
TREES = st.recursive(
    st.sampled_from(TEXTS),
    lambda inner: st.builds(
        lambda name, attributes, parts: f"<{name}{attributes}>{''.join(parts)}</{name}>",
        st.sampled_from(ELEMENTS),
        ATTRIBUTES,
        st.lists(inner, max_size=4),
    ),
    max_leaves=12,
)
WHOLE = st.builds(lambda inbound: f"<policies><inbound>{inbound}</inbound></policies>", TREES)
PROLOGUES = st.sampled_from(
    [
        *("", "<?xml version='1.0'?>", "<?xml version='1.0' encoding='utf-16'?>", "<?xml version='1.1'?>", "\ufeff"),
        *(
            "<!DOCTYPE p>",
            '<!DOCTYPE p [<!ENTITY a "b">]>',
            '<!DOCTYPE p SYSTEM "http://127.0.0.1:9/">',
            "<!DOCTYPE p [<!ENTITY % x SYSTEM 'file:///dev/zero'> %x;]>",
        ),
    ]
)
DOCUMENTS = st.one_of(
    st.builds(str.__add__, PROLOGUES, st.one_of(WHOLE, TREES)),
    mutated(
        WHOLE.map(lambda text: text.encode("utf-8", "surrogatepass")), [b"<", b">", b"&", b'"', b"/", b"<!--", b"\xff"]
    ).map(lambda content: content.decode("utf-8", "replace")),
    st.text(),
)


@given(DOCUMENTS)
@example("\r")
def test_any_document_compiles_or_is_refused_at_a_place(document):
    refused = None
    try:
        values = compile_product_policy(document, NAMED)
    except PolicyError as error:
        refused = error
    if refused is not None:
        # XML ends a line at a CR too.
        lines = re.split(rb"\r\n|\r|\n", document.encode("utf-8", "surrogatepass"))
        assert 1 <= refused.line <= len(lines)
        assert 1 <= refused.column <= len(lines[refused.line - 1]) + 2
        assert refused.message
    else:
        assert isinstance(values, ProductPolicyValues)
        assert "<!" not in document.replace("<!--", "").replace("<![CDATA[", "")


@pytest.mark.parametrize(
    "document",
    [
        pytest.param("<policies>" + "<a>" * 300_000, id="depth"),
        pytest.param("<policies>" + "<a/>" * 250_000 + "</policies>", id="many elements"),
        pytest.param("<policies" + "".join(f' a{number}=""' for number in range(90_000)) + "/>", id="many attributes"),
        pytest.param("<policies>" + "x<!---->" * 120_000 + "</policies>", id="text in pieces"),
        pytest.param("<policies>" + "x" * 900_000 + "x<a/>" * 9_000 + "</policies>", id="a long text in pieces"),
        pytest.param("<policies>" + "&lt;" * 250_000 + "</policies>", id="many references"),
        pytest.param("<policies>" + "<![CDATA[x]]>" * 70_000 + "</policies>", id="many sections of characters"),
        pytest.param("<policies><!--" + "-" * 900_000, id="a comment without an end"),
        pytest.param("<policies a='" + "<" * 900_000, id="an attribute without an end"),
        pytest.param("<" + "a" * 900_000 + "/>", id="a long name"),
    ],
)
def test_the_work_for_a_document_is_bounded_by_its_size(document):
    """Not a matter of speed but of its order: what is quadratic takes minutes here."""
    assert len(document) <= MAX_BYTES * 1.2
    started = time.process_time()
    with suppress(PolicyError):
        parse(document)
    assert time.process_time() - started < 10
