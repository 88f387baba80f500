"""Product policies: what they amount to, and how a document that is wrong is refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.configuration.snapshot import InnerQuota, InnerRateLimit, Quota, RateLimit
from policies.compiler import PolicyError, ProductPolicyValues, compile_product_policy
from policies.document import MAX_BYTES
from policies.references import Named

SKELETON = """<policies>
  <inbound>
    <base />
    {}
  </inbound>
  <backend><base /></backend>
  <outbound><base /></outbound>
  <on-error><base /></on-error>
</policies>"""


class ProductNames:
    """A product of three APIs, two of which have the same display name."""

    def apis(self):
        return [Named(1, "echo", "Echo API"), Named(2, "twin", "Twin"), Named(3, "other", "Twin")]

    def operations(self, api):
        return [Named(10 * api + 1, "get", "Read it"), Named(10 * api + 2, "put", "Write it")]


NAMES = ProductNames()


def compiled(inbound):
    return compile_product_policy(SKELETON.format(inbound), NAMES)


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
            '<rate-limit id="mine" calls="1" renewal-period="1" retry-after-header-name="X-R" '
            'remaining-calls-header-name="X-Left" total-calls-header-name="X-All" />',
            RateLimit(1, 1, "X-R", "X-Left", "X-All"),
            None,
        ),
        (
            '<rate-limit calls="9" renewal-period="60"><api name="Echo API" calls="5">'
            '<operation id="PUT" calls="1" renewal-period="10" /><operation name="read it" calls="2" /></api>'
            '<api id="other" name="ignored" calls="3" renewal-period="30" /></rate-limit>',
            RateLimit(
                9,
                60,
                inner=(
                    InnerRateLimit(1, None, 5, 60),
                    InnerRateLimit(1, 12, 1, 10),
                    InnerRateLimit(1, 11, 2, 60),
                    InnerRateLimit(3, None, 3, 30),
                ),
            ),
            None,
        ),
        ('<quota bandwidth="40000" renewal-period="3600" />', None, Quota(None, 3600, 40_000)),
        (
            '<quota calls="9" bandwidth="7" renewal-period="60"><api id="echo" bandwidth="5" renewal-period="0">'
            '<operation id="get" calls="2" bandwidth="1" /></api></quota>',
            None,
            Quota(9, 60, 7, (InnerQuota(1, None, None, 0, 5), InnerQuota(1, 11, 2, 60, 1))),
        ),
    ],
)
def test_a_document_gives_its_limits(inbound, rate_limit, quota):
    assert compiled(inbound) == ProductPolicyValues(rate_limit, quota)


@pytest.mark.parametrize(
    "document", ["<policies/>", "<policies><inbound/></policies>", '<?xml version="1.0" encoding="utf-16"?><policies/>']
)
def test_sections_may_be_left_out(document):
    assert compile_product_policy(document, NAMES) == ProductPolicyValues()


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
        ("<rate-limit calls='5' renewal-period='9' remaining-calls-variable-name='x'/>", "is not supported yet", 5),
        ("<rate-limit calls='5' renewal-period='9' retry-after-header-name='a b'/>", "the name of a header", 5),
        ("<rate-limit calls='5' renewal-period='9' retry-after-header-name=''/>", "the name of a header", 5),
        ("<rate-limit calls='5' renewal-period='9' total-calls-header-name='content-Length'/>", "that is free", 5),
        ("<rate-limit calls='5' renewal-period='9' total-calls-header-name='retry-after'/>", "another attribute", 5),
        ("<rate-limit calls='5' renewal-period='9'>x</rate-limit>", "cannot contain text", 5),
        (
            "<rate-limit calls='5' renewal-period='9'><api id='x' calls='1'/></rate-limit>",
            "No API of the product has the id 'x'",
            46,
        ),
        (
            "<rate-limit calls='5' renewal-period='9'><api name='echo' calls='1'/></rate-limit>",
            "No API of the product has the name 'echo'",
            46,
        ),
        (
            "<rate-limit calls='5' renewal-period='9'><api name='Twin' calls='1'/></rate-limit>",
            "More than one API of the product is called 'Twin': say its 'id'",
            46,
        ),
        (
            "<rate-limit calls='5' renewal-period='9'><api calls='1'/></rate-limit>",
            "<api> needs the attribute 'id' or 'name'",
            46,
        ),
        (
            "<rate-limit calls='5' renewal-period='9'><api id='echo'/></rate-limit>",
            "<api> needs the attribute 'calls'",
            46,
        ),
        (
            "<rate-limit calls='5' renewal-period='9'><api id='echo' calls='1' bandwidth='1'/></rate-limit>",
            "<api> has no attribute 'bandwidth'",
            46,
        ),
        (
            "<rate-limit calls='5' renewal-period='9'><api id='echo' calls='1'><operation id='x' calls='1'/></api>"
            "</rate-limit>",
            "No operation of the API has the id 'x'",
            71,
        ),
        (
            "<rate-limit calls='5' renewal-period='9'><api id='echo' calls='1'/><api id='ECHO' calls='1'/>"
            "</rate-limit>",
            "This <api> has a limit in <rate-limit> already",
            72,
        ),
        (
            "<rate-limit calls='5' renewal-period='9'><operation id='get' calls='1'/></rate-limit>",
            "<rate-limit> cannot contain <operation>",
            46,
        ),
        (
            "<rate-limit calls='5' renewal-period='9'><api id='echo' calls='1'>x</api></rate-limit>",
            "<api> cannot contain text",
            46,
        ),
        ("<quota renewal-period='9'/>", "<quota> needs the attribute 'calls' or 'bandwidth'", 5),
        ("<quota calls='5'/>", "<quota> needs the attribute 'renewal-period'", 5),
        (f"<quota bandwidth='{10**12}' renewal-period='9'/>", "a whole number from 1 to 900000000000", 5),
        (
            "<quota calls='5' renewal-period='9'><api id='echo' renewal-period='1'/></quota>",
            "<api> needs the attribute 'calls' or 'bandwidth'",
            41,
        ),
        ("<rate-limit calls='5' renewal-period='9'><b/></rate-limit>", "<rate-limit> cannot contain <b>", 46),
        (
            "<rate-limit calls='5' renewal-period='9'/><rate-limit calls='5' renewal-period='9'/>",
            "<rate-limit> can stand only once in a document",
            47,
        ),
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
        compile_product_policy(document, NAMES)


def test_what_names_nothing_is_left_out_and_told_where_that_is_wanted():
    missing = []
    document = SKELETON.format(
        "<rate-limit calls='5' renewal-period='9'><api id='gone' calls='1'><operation id='get' calls='1'/></api>"
        "<api id='echo' calls='2'><operation id='gone' calls='1'/></api></rate-limit>"
    )
    values = compile_product_policy(document, NAMES, missing.append)
    assert values.rate_limit.inner == (InnerRateLimit(1, None, 2, 9),)
    assert [error.message for error in missing] == [
        "No API of the product has the id 'gone'",
        "No operation of the API has the id 'gone'",
    ]


@given(st.text(max_size=200))
def test_any_text_compiles_or_is_refused(text):
    for document in (text, SKELETON.format(text)):
        with suppress(PolicyError):
            compile_product_policy(document, NAMES)
