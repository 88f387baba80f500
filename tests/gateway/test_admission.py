"""Whose call is let through, and with which words one is not."""

import json

import pytest

from gateway.catalogue.admission import Admitted, Refusal, admit
from gateway.catalogue.cause import KeyRefused
from gateway.configuration import key_digest
from gateway.configuration.snapshot import Product, Quota, RateLimit
from gateway.upstream.backend import backend_of
from tests.gateway.snapshots import ALICE, SECRET, api, catalogue, subscription

NOW = 1_800_000_000.0
HEADER = b"ocp-apim-subscription-key"
STARTER = Product(1, (1,), RateLimit(5, 60), Quota(100, 604_800))
OTHER = Product(2, (2,))


def served(*subscriptions, products=(STARTER, OTHER), gateway_url="https://api.example.org", **fields):
    return catalogue(
        api(1, "echo", "GET /q", **fields),
        api(2, "other", "GET /q"),
        *products,
        *subscriptions,
        gateway_url=gateway_url,
    )


def call(served, target=b"/echo/q", *keys, headers=(), scheme=b"https", now=NOW):
    sent = [(b"host", b"gw.example.org:8080"), *((HEADER, key) for key in keys), *headers]
    return admit(served, b"GET", target, sent, scheme, b"gw.example.org:8080", now)


def said(refusal):
    assert isinstance(refusal, Refusal)
    return refusal.status, refusal.reason


INVALID = (401, "SubscriptionKeyInvalid")
MISSING = (401, "SubscriptionKeyNotFound")


def test_a_product_key_gives_the_product_and_its_limits():
    gateway = served(subscription(b"K1", product=1))
    admitted = call(gateway, b"/echo/q?a=1", b"K1")
    backend = backend_of("http://127.0.0.1:9000/base")
    assert admitted == Admitted(
        api=1,
        operation=1,
        product=1,
        subscription=ALICE,
        user=7,
        backend=backend,
        target=b"/base/q?a=1",
        url=b"/echo/q?a=1",
        key_header=HEADER,
        key=key_digest.digest(SECRET, b"K1"),
        limits=admitted.limits,
    )


@pytest.mark.parametrize("scope", [{"api": 1}, {}], ids=["one API", "all APIs"])
def test_other_scopes_give_no_product_and_no_limits(scope):
    admitted = call(served(subscription(b"K1", **scope)), b"/echo/q", b"K1")
    assert (admitted.product, admitted.limits) == (None, None)
    assert admitted.subscription == ALICE


@pytest.mark.parametrize(
    ("fields", "allowed"),
    [
        pytest.param({"product": 1}, True, id="a product with the API"),
        pytest.param({"product": 2}, False, id="another product"),
        pytest.param({"product": 99}, False, id="a product that is gone"),
        pytest.param({"api": 1}, True, id="the API"),
        pytest.param({"api": 2}, False, id="another API"),
        pytest.param({}, True, id="all APIs"),
        pytest.param({"is_active": False}, False, id="not active"),
        pytest.param({"expires_at": NOW + 0.001}, True, id="just before it expires"),
        pytest.param({"expires_at": NOW}, False, id="expires at that second"),
        pytest.param({"expires_at": NOW - 1}, False, id="expired"),
        pytest.param({"product": 1, "owner": None}, True, id="nobody's"),
    ],
)
def test_a_key_opens_what_its_subscription_covers(fields, allowed):
    answer = call(served(subscription(b"K1", **fields)), b"/echo/q", b"K1")
    assert isinstance(answer, Admitted) if allowed else said(answer) == INVALID


@pytest.mark.parametrize(
    ("target", "header_keys", "answer"),
    [
        pytest.param(b"", [b"K1"], None, id="header"),
        pytest.param(b"", [b"K2"], None, id="secondary key"),
        pytest.param(b"?subscription-key=K1", [], None, id="query"),
        pytest.param(b"?subscription%2Dkey=%4b1", [], None, id="query, percent-encoded"),
        pytest.param(b"?subscription-key=wrong", [b"K1"], None, id="the header wins: good"),
        pytest.param(b"?subscription-key=K1", [b"wrong"], INVALID, id="the header wins: bad"),
        pytest.param(b"?subscription-key=K1", [b""], None, id="an empty header is no key"),
        pytest.param(b"", [b""], MISSING, id="only an empty header"),
        pytest.param(b"?subscription-key=", [], MISSING, id="only an empty parameter"),
        pytest.param(b"", [], MISSING, id="none"),
        pytest.param(b"", [b"K1", b"K1"], None, id="the same header twice"),
        pytest.param(b"", [b"K1", b"K2"], INVALID, id="two headers that differ"),
        pytest.param(b"?subscription-key=K1&subscription-key=K2", [], INVALID, id="two parameters that differ"),
        pytest.param(b"", [b"k1"], INVALID, id="keys are case-sensitive"),
        pytest.param(b"", [b"K1 "], INVALID, id="keys are compared whole"),
        pytest.param(b"", [b"K" * 30_000], INVALID, id="a very long key"),
        pytest.param(b"", [b"\xff\xfe"], INVALID, id="bytes"),
        pytest.param(b"?Subscription-Key=K1", [], MISSING, id="names of parameters are case-sensitive"),
    ],
)
def test_where_the_key_is_looked_for(target, header_keys, answer):
    result = call(served(subscription(b"K1", b"K2", product=1)), b"/echo/q" + target, *header_keys)
    assert isinstance(result, Admitted) if answer is None else said(result) == answer


def test_names_of_key_header_and_parameter_are_the_apis():
    gateway = served(subscription(b"K1"), key_header_name="X-API-Key")
    assert said(call(gateway, b"/echo/q", b"K1")) == MISSING
    assert call(gateway, headers=[(b"x-api-key", b"K1")]).key_header == b"x-api-key"
    assert isinstance(call(gateway, b"/echo/q?subscription-key=K1"), Admitted)
    assert said(call(gateway, b"/echo/q?x-api-key=K1")) == MISSING


@pytest.mark.parametrize(
    ("query", "left"),
    [
        (b"?b=2&subscription-key=K1&a=1&c[0]", b"?b=2&a=1&c[0]"),
        (b"?subscription-key=K1", b""),
        (b"?subscription-key=K1&a=1+2%2B", b"?a=1+2%2B"),
        (b"?a=%7e&&subscription-key=K1", b"?a=%7e&"),
        (b"?a&subscription%2dkey=K1&subscription-key=K1", b"?a"),
        (b"?my-subscription-kex=x&subscription-key=K1", b"?my-subscription-kex=x"),
    ],
)
def test_the_key_is_taken_out_of_the_query_and_not_one_other_byte(query, left):
    admitted = call(served(subscription(b"K1")), b"/echo/q" + query)
    assert (admitted.target, admitted.url) == (b"/base/q" + left, b"/echo/q" + left)


@pytest.mark.parametrize(
    "target",
    [
        b"/echo/q?subscription-key=SECRET",
        b"/echo/q?apikey=SECRET",
        b"/echo/%zz?subscription-key=SECRET",
        b"/nowhere?apikey=SECRET&x=%",
        b"/echo/nothing?subscription%2dkey=SECRET",
    ],
)
def test_a_refused_call_leaves_no_key_in_the_record(target):
    gateway = catalogue(api(1, "echo", "GET /q"), api(2, "other", "GET /q", key_query_name="apikey"))
    assert b"SECRET" not in call(gateway, target).url


def test_an_admitted_call_leaves_no_key_of_another_name_in_the_record():
    gateway = catalogue(
        api(1, "echo", "GET /q", subscription_required=False), api(2, "other", "GET /q", key_query_name="apikey")
    )
    admitted = call(gateway, b"/echo/q?apikey=x")
    assert (admitted.url, admitted.target) == (b"/echo/q", b"/base/q?apikey=x")


OPEN = Product(3, (1,), RateLimit(1, 60))


@pytest.mark.parametrize(
    ("fields", "key", "answer"),
    [
        pytest.param({"open_product": 3}, None, (3, None), id="open product, no key"),
        pytest.param({"open_product": 3}, b"bad", INVALID, id="open product, bad key"),
        pytest.param({"open_product": 3}, b"K1", (1, ALICE), id="open product, product key"),
        pytest.param({"subscription_required": False}, None, (None, None), id="no key required, none"),
        pytest.param({"subscription_required": False}, b"bad", INVALID, id="no key required, bad key"),
        pytest.param({"subscription_required": False}, b"K1", (1, ALICE), id="no key required, good key"),
        pytest.param({"subscription_required": False, "open_product": 3}, None, (3, None), id="the open product first"),
        pytest.param({}, None, MISSING, id="key required"),
    ],
)
def test_calls_without_a_key(fields, key, answer):
    gateway = served(subscription(b"K1", product=1), products=(STARTER, OTHER, OPEN), **fields)
    result = call(gateway, b"/echo/q", *([key] if key else []))
    found = said(result) if isinstance(result, Refusal) else (result.product, result.subscription)
    assert found == answer


def test_a_call_through_an_open_product_is_not_limited():
    admitted = call(served(products=(OPEN,), open_product=3))
    assert admitted.limits is None


REALM = b'AzureApiManagementKey realm="https://api.example.org/echo",name="Ocp-Apim-Subscription-Key",type="header"'


@pytest.mark.parametrize(
    ("keys", "message", "length"),
    [
        pytest.param(
            [],
            "Access denied due to missing subscription key. "
            "Make sure to include subscription key when making requests to an API.",
            152,
            id="missing",
        ),
        pytest.param(
            [b"bad"],
            "Access denied due to invalid subscription key. "
            "Make sure to provide a valid key for an active subscription.",
            143,
            id="invalid",
        ),
    ],
)
def test_the_401_is_azures_byte_for_byte(keys, message, length):
    refusal = call(served(), b"/echo/q", *keys)
    assert refusal.body == f'{{ "statusCode": 401, "message": "{message}" }}'.encode()
    assert len(refusal.body) == length
    assert refusal.headers == (
        (b"Content-Type", b"application/json"),
        (b"WWW-Authenticate", REALM),
        (b"Vary", b"Origin"),
    )


def test_the_realm_goes_by_the_host_where_the_gateways_url_is_not_known():
    gateway = served(gateway_url="", key_header_name="X-API-Key")
    value = b'AzureApiManagementKey realm="http://gw.example.org:8080/echo",name="X-API-Key",type="header"'
    assert dict(call(gateway, scheme=b"http").headers)[b"WWW-Authenticate"] == value


def test_the_realm_repeats_nothing_odd_from_the_host():
    refusal = admit(served(gateway_url=""), b"GET", b"/echo/q", [], b"http", b'a",x="', NOW)
    assert b'realm="/echo"' in dict(refusal.headers)[b"WWW-Authenticate"]


@pytest.mark.parametrize("target", [b"/nowhere", b"/echo/nothing", b"/echo/../other/q"])
def test_no_operation_is_a_404_even_without_a_key(target):
    refusal = call(served(), target)
    assert refusal.body == b'{ "statusCode": 404, "message": "Resource not found" }'
    assert (refusal.status, refusal.source, refusal.reason) == (404, "configuration", "OperationNotFound")


def test_another_method_is_a_404():
    assert admit(served(), b"POST", b"/echo/q", [], b"https", b"x", NOW).status == 404


@pytest.mark.parametrize(("scheme", "status"), [(b"https", 401), (b"http", 404)])
def test_an_api_answers_only_under_its_scheme(scheme, status):
    assert call(served(schemes=("https",)), scheme=scheme).status == status


def test_a_malformed_target_is_a_400_in_json():
    refusal = call(served(), b"/echo/%zz")
    assert json.loads(refusal.body)["statusCode"] == refusal.status == 400


def test_a_product_with_a_broken_policy_refuses_its_calls_and_no_others():
    broken = Product(1, (1,), policy_is_broken=True)
    gateway = served(subscription(b"K1", product=1), subscription(b"K2", id=b"B" * 16), products=(broken,))
    assert said(call(gateway, b"/echo/q", b"K1")) == (500, "PolicyBroken")
    assert isinstance(call(gateway, b"/echo/q", b"K2"), Admitted)


def test_the_record_of_a_refused_key_knows_whose_it_was():
    refusal = call(served(subscription(b"K1", product=2)), b"/echo/q", b"K1")
    known = (refusal.api, refusal.operation, refusal.product, refusal.subscription, refusal.user)
    assert known == (1, 1, 2, ALICE, 7)


@pytest.mark.parametrize(
    ("ends_at", "allowed"),
    [
        pytest.param(NOW + 0.001, True, id="just before its end"),
        pytest.param(NOW, False, id="at that second"),
        pytest.param(NOW - 1, False, id="after it"),
    ],
)
def test_a_key_that_was_replaced_works_until_its_end(ends_at, allowed):
    old = (key_digest.digest(SECRET, b"OLD"), ends_at)
    gateway = served(subscription(b"K1", b"K2", product=1, old_keys=(old,)))
    assert isinstance(call(gateway, b"/echo/q", b"OLD"), Admitted) is allowed
    assert call(gateway, b"/echo/q", b"K1").key == key_digest.digest(SECRET, b"K1")


def test_a_key_that_was_replaced_works_no_longer_than_its_subscription():
    old = (key_digest.digest(SECRET, b"OLD"), NOW + 60)
    gateway = served(subscription(b"K1", product=1, is_active=False, old_keys=(old,)))
    assert said(call(gateway, b"/echo/q", b"OLD")) == INVALID


@pytest.mark.parametrize(
    ("fields", "keys", "cause"),
    [
        pytest.param({}, [], KeyRefused("missing"), id="no key"),
        pytest.param({}, [b"K9"], KeyRefused("unknown"), id="no subscription's"),
        pytest.param({}, [b"K1", b"K2"], KeyRefused("differing"), id="two that differ"),
        pytest.param({}, [b"K" * 257], KeyRefused("too-long"), id="a long one"),
        pytest.param(
            {"is_active": False, "inactive_because": "suspended"},
            [b"K1"],
            KeyRefused("inactive", "suspended"),
            id="a suspended subscription",
        ),
        pytest.param({"expires_at": NOW}, [b"K1"], KeyRefused("expired", ended_at=NOW), id="expired"),
        pytest.param({"product": 2}, [b"K1"], KeyRefused("not-in-product"), id="another product"),
        pytest.param({"api": 2}, [b"K1"], KeyRefused("other-api"), id="another API"),
        pytest.param(
            {"old_keys": ((key_digest.digest(SECRET, b"K0"), NOW - 5),)},
            [b"K0"],
            KeyRefused("replaced", ended_at=NOW - 5),
            id="a key that was replaced",
        ),
    ],
)
def test_a_refusal_says_what_exactly_was_wrong_with_the_key(fields, keys, cause):
    refusal = call(served(subscription(b"K1", **fields)), b"/echo/q", *keys)
    assert refusal.cause == cause


def test_a_key_that_opens_nothing_can_be_told_from_others():
    refusal = call(served(), b"/echo/q", b"K9")
    assert refusal.key == key_digest.digest(SECRET, b"K9")
    assert call(served(), b"/echo/q", b"K8", b"K9").key == b""


@pytest.mark.parametrize(
    ("target", "scheme", "reason"),
    [
        pytest.param(b"/nowhere", b"https", "no-api", id="no API"),
        pytest.param(b"/echo/none", b"https", "no-operation", id="no operation"),
        pytest.param(b"/echo/../q", b"https", "dot-segments", id="dot segments"),
        pytest.param(b"/echo/q", b"http", "scheme", id="another scheme"),
        pytest.param(b"/echo/%zz", b"https", "malformed", id="malformed"),
    ],
)
def test_a_refusal_says_why_the_url_leads_nowhere(target, scheme, reason):
    refusal = call(served(subscription(b"K1"), schemes=("https",)), target, b"K1", scheme=scheme)
    assert refusal.cause.reason == reason


def test_an_admitted_call_leaves_no_secret_in_the_record():
    admitted = call(served(subscription(b"K1")), b"/echo/q?code=c&subscription-key=K1&a=1&access_token=t")
    assert admitted.url == b"/echo/q?code=***&a=1&access_token=***"
    assert admitted.target == b"/base/q?code=c&a=1&access_token=t"
