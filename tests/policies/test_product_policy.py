"""Product policies: what they amount to, and how a document that is wrong is refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.snapshot import Quota, RateLimit
from policies.compiler import PolicyError, ProductPolicyValues, compile_product_policy
from policies.document import MAX_BYTES

SKELETON = """<policies>
  <inbound>
    <base />
    {}
  </inbound>
  <backend><base /></backend>
  <outbound><base /></outbound>
  <on-error><base /></on-error>
</policies>"""


def compiled(inbound):
    return compile_product_policy(SKELETON.format(inbound))


@pytest.mark.parametrize(
    ("inbound", "rate_limit", "quota"),
    [
        ("", None, None),
        ('<rate-limit calls="5" renewal-period="60" />', RateLimit(5, 60), None),
        ('<quota calls="100" renewal-period="604800" />', None, Quota(100, 604_800)),
        ('<quota calls="100" renewal-period="0" />', None, Quota(100, 0)),
        (
            '<quota renewal-period="300" calls="9"/><!-- both -->'
            '<rate-limit calls="007" renewal-period="300"></rate-limit>',
            RateLimit(7, 300),
            Quota(9, 300),
        ),
        (
            '<rate-limit id="mine" calls="1" renewal-period="1" retry-after-header-name="X-R" />',
            RateLimit(1, 1, "X-R"),
            None,
        ),
    ],
)
def test_a_document_gives_its_limits(inbound, rate_limit, quota):
    assert compiled(inbound) == ProductPolicyValues(rate_limit, quota)


@pytest.mark.parametrize(
    "document", ["<policies/>", "<policies><inbound/></policies>", '<?xml version="1.0" encoding="utf-16"?><policies/>']
)
def test_sections_may_be_left_out(document):
    assert compile_product_policy(document) == ProductPolicyValues()


@pytest.mark.parametrize(
    ("inbound", "problem", "column"),
    [
        ("<rate-limit renewal-period='60'/>", "<rate-limit> needs the attribute 'calls'", 5),
        ("<rate-limit calls='5'/>", "<rate-limit> needs the attribute 'renewal-period'", 5),
        ("<rate-limit calls='0' renewal-period='60'/>", "a whole number from 1 to 1000000", 5),
        ("<rate-limit calls='1000001' renewal-period='60'/>", "a whole number from 1 to 1000000", 5),
        ("<rate-limit calls='-5' renewal-period='60'/>", "a whole number", 5),
        ("<rate-limit calls='5.0' renewal-period='60'/>", "a whole number", 5),
        ("<rate-limit calls=' 5' renewal-period='60'/>", "a whole number", 5),
        ("<rate-limit calls='٥' renewal-period='60'/>", "a whole number", 5),
        ("<rate-limit calls='' renewal-period='60'/>", "a whole number", 5),
        (f"<rate-limit calls='{'9' * 5000}' renewal-period='60'/>", "a whole number", 5),
        ("<rate-limit calls='@(5)' renewal-period='60'/>", "cannot be an expression", 5),
        ("<rate-limit calls='5' renewal-period='301'/>", "a whole number from 1 to 300", 5),
        ("<rate-limit calls='5' renewal-period='0'/>", "a whole number from 1 to 300", 5),
        ("<rate-limit calls='5' renewal-period='9' colour='x'/>", "<rate-limit> has no attribute 'colour'", 5),
        ("<rate-limit calls='5' renewal-period='9' remaining-calls-header-name='x'/>", "is not supported yet", 5),
        ("<rate-limit calls='5' renewal-period='9' retry-after-header-name='a b'/>", "the name of a header", 5),
        ("<rate-limit calls='5' renewal-period='9'>x</rate-limit>", "cannot contain text", 5),
        ("<rate-limit calls='5' renewal-period='9'><api id='x'/></rate-limit>", "<api> in <rate-limit> is not", 46),
        ("<rate-limit calls='5' renewal-period='9'><b/></rate-limit>", "<rate-limit> cannot contain <b>", 46),
        (
            "<rate-limit calls='5' renewal-period='9'/><rate-limit calls='5' renewal-period='9'/>",
            "<rate-limit> can stand only once in a document",
            47,
        ),
        ("<quota bandwidth='5' renewal-period='9'/>", "'bandwidth' of <quota> is not supported yet", 5),
        ("<quota calls='5' renewal-period='-1'/>", "a whole number from 0", 5),
        ("<set-header name='x'/>", "<set-header> is not a policy that this gateway knows", 5),
        ("<base />", "<base> is there twice in <inbound>", 5),
        ("text", "<inbound> cannot contain text", None),
        ("<!DOCTYPE x>", "not well-formed XML", None),
        ("&unknown;", "undefined entity", 5),
        ("<quota calls='5' calls='6'/>", "duplicate attribute", None),
        ("<?php ?>", "no processing instructions", 5),
    ],
)
def test_a_mistake_is_named_with_its_place(inbound, problem, column):
    with pytest.raises(PolicyError) as refused:
        compiled(inbound)
    assert problem in refused.value.message
    if column is not None:
        assert (refused.value.line, refused.value.column) == (4, column)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("", "no element found"),
        ("<policies>", "no element found"),
        ("\0", "not well-formed"),
        ("<policies>\ud800</policies>", "not well-formed"),
        ("<inbound/>", "A policy document is <policies>, not <inbound>"),
        ("<policies a='b'/>", "<policies> has no attribute 'a'"),
        ("<policies>x</policies>", "cannot contain text"),
        ("<policies><middle/></policies>", "<policies> cannot contain <middle>, only inbound, backend"),
        ("<policies><inbound/><inbound/></policies>", "<inbound> is there twice"),
        ("<policies><inbound a='b'/></policies>", "<inbound> has no attribute 'a'"),
        ("<policies><inbound><base a='b'/></inbound></policies>", "<base> has no attribute 'a'"),
        ("<policies><inbound><base><base/></base></inbound></policies>", "<base> cannot contain <base>"),
        (
            "<policies><outbound><quota calls='1' renewal-period='1'/></outbound></policies>",
            "<quota> cannot stand in <outbound>, only in inbound",
        ),
        ('<!DOCTYPE p [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><policies>&b;</policies>', "has no DOCTYPE"),
        ('<!DOCTYPE p SYSTEM "file:///etc/passwd"><policies/>', "has no DOCTYPE"),
        ("<policies>" + "<a>" * 100, "nested more than 32 deep"),
        ("<policies>" + "<a/>" * 20_000, "at most 10000 elements"),
        ("<policies>" + " " * MAX_BYTES + "</policies>", "at most 1048576 bytes"),
    ],
)
def test_a_document_that_is_none_is_refused(document, problem):
    with pytest.raises(PolicyError, match=problem):
        compile_product_policy(document)


@given(st.text(max_size=200))
def test_any_text_compiles_or_is_refused(text):
    for document in (text, SKELETON.format(text)):
        with suppress(PolicyError):
            compile_product_policy(document)
