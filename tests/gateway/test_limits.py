"""Call rates and quotas: exact, and free for whom they refuse."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalogue.admission import Admitted
from gateway.catalogue.call_limits import ProductLimits
from gateway.catalogue.cause import LimitReached
from gateway.configuration.snapshot import InnerQuota, InnerRateLimit, Product, Quota, RateLimit
from gateway.limits.answers import time_span
from gateway.limits.counters import SWEPT_PER_TURN, Counters
from gateway.upstream.backend import backend_of
from tests.gateway.snapshots import ALICE, api, catalogue, subscription

START = 1_800_000_000.0
BOB = b"B" * 16


def call(rate_limit=None, quota=None, subscription=ALICE, product=1, api=1, operation=11):
    return Admitted(
        api=api,
        operation=operation,
        product=product,
        subscription=subscription,
        user=7,
        backend=backend_of("http://127.0.0.1:9000"),
        target=b"/q",
        url=b"/echo/q",
        key_header=b"ocp-apim-subscription-key",
        limits=ProductLimits(Product(product, (1, 2), rate_limit, quota)).of(api, operation),
    )


def statuses(counters, times, rate_limit=None, quota=None, **fields):
    refusals = [counters.take(call(rate_limit, quota, **fields), time) for time in times]
    return [refusal.status if refusal else 200 for refusal in refusals]


def test_just_as_many_calls_pass_as_the_limit_says():
    assert statuses(Counters(), [START] * 50, RateLimit(10, 60)).count(200) == 10


def test_a_burst_over_the_edge_of_two_minutes_does_not_pass_twice():
    times = [START + 59.9] * 5 + [START + 60.1] * 5
    assert statuses(Counters(), times, RateLimit(5, 60)) == [200] * 5 + [429] * 5


def test_a_call_counts_until_the_period_is_over():
    counters = Counters()
    assert statuses(counters, [START, START + 59.999], RateLimit(1, 60)) == [200, 429]
    assert statuses(counters, [START + 60], RateLimit(1, 60)) == [200]


@given(
    st.lists(st.floats(0, 40, allow_nan=False), max_size=80),
    st.integers(1, 6),
    st.integers(1, 10),
)
def test_no_window_ever_holds_more_than_the_limit_and_no_call_is_refused_without_need(gaps, calls, period):
    counters, now, passed = Counters(), START, []
    for gap in gaps:
        now += gap / 10
        within = [time for time in passed if time + period > now]
        refusal = counters.take(call(RateLimit(calls, period)), now)
        assert (refusal is None) == (len(within) < calls)
        if refusal is None:
            passed.append(now)
        else:
            wait = int(dict(refusal.headers)[b"Retry-After"])
            assert 1 <= wait <= period
            assert sum(time + period > now + wait for time in passed) < calls


@given(st.floats(1e9, 2e9), st.floats(0, 59.999))
def test_waiting_as_long_as_retry_after_says_is_enough(start, later):
    counters = Counters()
    counters.take(call(RateLimit(1, 60), Quota(1, 60)), start)
    for limits in ((RateLimit(1, 60), None), (None, Quota(1, 60))):
        refusal = counters.take(call(*limits), start + later)
        wait = int(dict(refusal.headers)[b"Retry-After"])
        assert statuses(counters, [start + later + wait], *limits) == [200]
        counters = Counters()
        counters.take(call(RateLimit(1, 60), Quota(1, 60)), start)


def test_the_429_is_azures_byte_for_byte():
    counters = Counters()
    counters.take(call(RateLimit(1, 60)), START)
    refusal = counters.take(call(RateLimit(1, 60)), START + 3)
    assert refusal.body == b'{ "statusCode": 429, "message": "Rate limit is exceeded. Try again in 57 seconds." }'
    assert len(refusal.body) == 84
    assert refusal.headers == ((b"Content-Type", b"application/json"), (b"Retry-After", b"57"))
    assert (refusal.source, refusal.reason, refusal.subscription) == ("rate-limit", "RateLimitExceeded", ALICE)


def test_the_policy_names_the_header():
    counters, limit = Counters(), RateLimit(1, 60, "X-Wait")
    counters.take(call(limit), START)
    assert counters.take(call(limit), START).headers[1] == (b"X-Wait", b"60")


@pytest.mark.parametrize(
    ("period", "later", "span", "retry_after"),
    [
        (3600, 1798, "00:30:02", b"1802"),
        (1_296_000, 1_296_000 - 1_235_636, "14.07:13:56", b"1235636"),
        (60, 59.5, "00:00:01", b"1"),
    ],
)
def test_the_403_says_when_the_quota_is_replenished(period, later, span, retry_after):
    counters, quota = Counters(), Quota(1, period)
    counters.take(call(None, quota), START)
    refusal = counters.take(call(None, quota), START + later)
    message = f"Out of call volume quota. Quota will be replenished in {span}."
    assert refusal.body == f'{{ "statusCode": 403, "message": "{message}" }}'.encode()
    assert dict(refusal.headers)[b"Retry-After"] == retry_after
    assert (refusal.source, refusal.reason) == ("quota", "QuotaExceeded")


def test_a_quota_without_a_period_is_never_replenished():
    counters = Counters()
    assert statuses(counters, [START, START + 10**9], None, Quota(1, 0)) == [200, 403]
    refusal = counters.take(call(None, Quota(1, 0)), START)
    assert refusal.body == b'{ "statusCode": 403, "message": "Out of call volume quota." }'
    assert b"Retry-After" not in dict(refusal.headers)


def test_a_quota_period_begins_with_its_first_call():
    counters, quota = Counters(), Quota(2, 100)
    assert statuses(counters, [START + 50, START + 149, START + 149.9], None, quota) == [200, 200, 403]
    assert statuses(counters, [START + 150, START + 240, START + 249, START + 250], None, quota) == [200, 200, 403, 200]


def test_an_admitted_call_learns_what_its_quota_stands_at():
    counters, admitted = Counters(), call(None, Quota(5, 100))
    counters.take(call(None, Quota(5, 100)), START)
    counters.take(admitted, START + 1)
    assert admitted.stands == [(START, 2, 0)]


def test_a_call_refused_by_its_rate_takes_nothing_from_the_quota():
    counters, limits = Counters(), (RateLimit(1, 60), Quota(2, 1000))
    times = [START, START + 1, START + 2, START + 60]
    assert statuses(counters, times, *limits) == [200, 429, 429, 200]


def test_a_call_refused_by_its_quota_takes_nothing_from_the_rate():
    counters = Counters()
    assert statuses(counters, [START] * 3, RateLimit(2, 60), Quota(1, 1000)) == [200, 403, 403]
    assert statuses(counters, [START] * 2, RateLimit(2, 60), Quota(100, 1000)) == [200, 429]


def test_subscriptions_and_products_are_counted_apart():
    counters, limit = Counters(), RateLimit(1, 60)
    assert statuses(counters, [START], limit) == [200]
    assert statuses(counters, [START], limit, subscription=BOB) == [200]
    assert statuses(counters, [START], limit, product=2) == [200]
    assert statuses(counters, [START], limit) == [429]


def test_without_a_subscription_nothing_is_counted():
    assert statuses(Counters(), [START] * 5, RateLimit(1, 60), Quota(1, 60), subscription=None) == [200] * 5


def test_a_limit_that_changes_keeps_its_counts():
    counters = Counters()
    statuses(counters, [START + second for second in range(5)], RateLimit(5, 60), Quota(5, 1000))
    raised = (RateLimit(7, 60), Quota(6, 1000))
    assert statuses(counters, [START + 5] * 3, *raised) == [200, 403, 403]
    lowered = counters.take(call(RateLimit(2, 60)), START + 6)
    assert dict(lowered.headers)[b"Retry-After"] == b"58"


def test_a_clock_that_is_set_back_makes_nobody_wait_longer_than_a_period():
    counters, limit = Counters(), RateLimit(1, 60)
    counters.take(call(limit), START)
    assert dict(counters.take(call(limit), START - 9999).headers)[b"Retry-After"] == b"60"
    assert statuses(counters, [START - 9999 + 60], limit) == [200]


def test_a_clock_that_is_set_back_makes_no_quota_period_longer():
    counters, quota = Counters(), Quota(2, 60)
    assert statuses(counters, [START, START - 3600], None, quota) == [200, 200]
    refusal = counters.take(call(None, quota), START - 3590)
    assert dict(refusal.headers)[b"Retry-After"] == b"50"
    assert refusal.limit_lines.endswith(b'RateLimit: "quota";r=0;t=50\r\n')
    assert statuses(counters, [START - 3541, START - 3540], None, quota) == [403, 200]


PRODUCT = Product(1, (1,), RateLimit(5, 60), Quota(100, 1000))


def test_counters_that_limit_nothing_any_more_are_dropped():
    served = catalogue(api(1, "echo"), PRODUCT, subscription(b"K1", id=ALICE), subscription(b"K2", id=BOB))
    counters = Counters()
    for who in (ALICE, BOB, b"gone" * 4):
        counters.take(call(PRODUCT.rate_limit, PRODUCT.quota, subscription=who), START)
    counters.take(call(PRODUCT.rate_limit, PRODUCT.quota, subscription=BOB), START + 30)
    counters.sweep(served, START + 70)
    assert (set(counters.rates()[1, 0, 0]), set(counters.quotas()[1, 0, 0])) == ({BOB}, {ALICE, BOB})
    counters.sweep(served, START + 1000)
    assert counters.sizes == (0, 0)


def test_a_sweep_forgets_no_count_that_still_limits():
    served = catalogue(api(1, "echo"), PRODUCT, subscription(b"K1", id=ALICE))
    counters = Counters()
    statuses(counters, [START] * 5, PRODUCT.rate_limit, PRODUCT.quota)
    for second in range(59):
        counters.sweep(served, START + second)
    assert statuses(counters, [START + 59], PRODUCT.rate_limit, PRODUCT.quota) == [429]


def test_a_sweep_takes_some_at_a_time_and_comes_around_to_all():
    products = [Product(number, (1,), RateLimit(5, 60)) for number in (1, 2, 3)]
    served = catalogue(api(1, "echo"), *products)
    counters = Counters()
    for product in products:
        for number in range(SWEPT_PER_TURN):
            counters.take(call(product.rate_limit, subscription=b"%016d" % number, product=product.id), START)
    for turn in range(3):
        assert counters.sizes[0] == (3 - turn) * SWEPT_PER_TURN
        counters.sweep(served, START)
    assert counters.sizes == (0, 0)


@given(st.integers(0, 10**9))
def test_a_time_span_reads_back(seconds):
    found = re.fullmatch(r"(?:(\d+)\.)?(\d\d):([0-5]\d):([0-5]\d)", time_span(seconds))
    days, hours, minutes, rest = (int(part or 0) for part in found.groups())
    assert days * 86400 + hours * 3600 + minutes * 60 + rest == seconds


NESTED = RateLimit(
    5, 60, inner=(InnerRateLimit(1, None, 3, 60), InnerRateLimit(1, 11, 1, 10), InnerRateLimit(2, None, 2, 60))
)


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        pytest.param([(1, 11), (1, 11)], [200, 429], id="the operation's"),
        pytest.param([(1, 11), (1, 12), (1, 12), (1, 12)], [200, 200, 200, 429], id="the API's"),
        pytest.param([(1, 12)] * 3 + [(2, 21)] * 3, [200, 200, 200, 200, 200, 429], id="the product's"),
        pytest.param([(3, 31)] * 6, [200] * 5 + [429], id="an API without limits of its own"),
        pytest.param([(1, 11), (1, 11), (1, 11), (1, 12), (1, 12)], [200, 429, 429, 200, 200], id="refused costs none"),
    ],
)
def test_limits_of_product_api_and_operation_count_side_by_side(calls, expected):
    counters = Counters()
    made = [counters.take(call(NESTED, api=api, operation=operation), START) for api, operation in calls]
    assert [refusal.status if refusal else 200 for refusal in made] == expected


def test_a_call_that_an_inner_quota_refuses_costs_nothing_in_the_others():
    counters, quota = Counters(), Quota(9, 0, inner=(InnerQuota(1, None, 5, 0), InnerQuota(1, 11, 1, 0)))
    limits = (RateLimit(2, 60), quota)
    assert statuses(counters, [START] * 4, *limits) == [200, 403, 403, 403]
    assert statuses(counters, [START], *limits, operation=12) == [200]
    assert counters.quotas() == {
        (1, 0, 0): {ALICE: (START, 2, 0)},
        (1, 1, 0): {ALICE: (START, 2, 0)},
        (1, 1, 11): {ALICE: (START, 1, 0)},
    }


@given(st.lists(st.tuples(st.sampled_from([(1, 11), (1, 12), (2, 21)]), st.floats(0, 20)), max_size=60))
def test_every_limit_holds_whatever_the_mix_of_calls(calls):
    counters, now, passed = Counters(), START, []
    rules = {(0, 0): (5, 60), (1, 0): (3, 60), (1, 11): (1, 10), (2, 0): (2, 60)}
    for (one, operation), gap in calls:
        now += gap
        scopes = [scope for scope in ((0, 0), (one, 0), (one, operation)) if scope in rules]
        fits = all(
            sum(scope in counted and time + rules[scope][1] > now for time, counted in passed) < rules[scope][0]
            for scope in scopes
        )
        assert (counters.take(call(NESTED, api=one, operation=operation), now) is None) == fits
        if fits:
            passed.append((now, scopes))


def test_bytes_are_counted_once_a_call_has_ended_and_refuse_once_they_reach_the_quota():
    counters, quota = Counters(), Quota(None, 3600, kilobytes=2)
    for second, size in enumerate((2047, 1)):
        admitted = call(None, quota)
        assert counters.take(admitted, START + second) is None
        counters.add_bytes(admitted, size, START + second)
    assert admitted.stands == [(START, 2, 2048)]
    refusal = counters.take(call(None, quota), START + 1798)
    message = b"Out of bandwidth quota. Quota will be replenished in 00:30:02."
    assert refusal.body == b'{ "statusCode": 403, "message": "%b" }' % message
    assert (refusal.source, refusal.reason) == ("quota", "QuotaExceeded")
    assert dict(refusal.headers)[b"Retry-After"] == b"1802"
    assert counters.take(call(None, quota), START + 3600) is None


def test_a_quota_of_calls_and_bytes_ends_with_whichever_is_used_up_first():
    counters, quota = Counters(), Quota(2, 0, kilobytes=1)
    first = call(None, quota)
    counters.take(first, START)
    counters.add_bytes(first, 1024, START)
    assert b"Out of bandwidth quota." in counters.take(call(None, quota), START).body
    counters.take(call(None, quota, subscription=BOB), START)
    counters.take(call(None, quota, subscription=BOB), START)
    assert b"Out of call volume quota." in counters.take(call(None, quota, subscription=BOB), START).body


def test_bytes_of_a_call_that_outlasts_its_period_count_in_the_next_one():
    counters, quota = Counters(), Quota(5, 60, kilobytes=1)
    admitted = call(None, quota)
    counters.take(admitted, START)
    counters.add_bytes(admitted, 1024, START + 61)
    assert counters.quotas()[1, 0, 0] == {ALICE: (START + 61, 0, 1024)}
    assert counters.take(call(None, quota), START + 62).status == 403


FIELDS = [
    pytest.param((RateLimit(5, 60), None), b'"rate";q=5;w=60', b'"rate";r=4;t=60', id="rate"),
    pytest.param((None, Quota(9, 0)), b'"quota";q=9', b'"quota";r=8', id="a quota for ever"),
    pytest.param(
        (RateLimit(5, 60), Quota(100, 604_800)),
        b'"rate";q=5;w=60, "quota";q=100;w=604800',
        b'"rate";r=4;t=60, "quota";r=99;t=604800',
        id="rate and quota",
    ),
    pytest.param(
        (None, Quota(None, 60, kilobytes=2)),
        b'"bandwidth";q=2048;qu="content-bytes";w=60',
        b'"bandwidth";r=2048;t=60',
        id="bandwidth",
    ),
    pytest.param(
        (NESTED, Quota(9, 0, 1, inner=(InnerQuota(1, 11, 7, 0),))),
        b'"rate";q=5;w=60, "rate-api";q=3;w=60, "rate-operation";q=1;w=10, "quota";q=9, "quota-operation";q=7, '
        b'"bandwidth";q=1024;qu="content-bytes"',
        b'"rate";r=4;t=60, "rate-api";r=2;t=60, "rate-operation";r=0;t=10, "quota";r=8, "quota-operation";r=6, '
        b'"bandwidth";r=1024',
        id="all",
    ),
]


@pytest.mark.parametrize(("limits", "policy", "left"), FIELDS)
def test_the_answer_tells_what_is_left(limits, policy, left):
    counters, admitted = Counters(), call(*limits)
    assert counters.take(admitted, START) is None
    assert admitted.limit_lines == b"RateLimit-Policy: %b\r\nRateLimit: %b\r\n" % (policy, left)


def test_what_is_left_goes_down_to_0_and_no_lower():
    counters, limits, told = Counters(), (RateLimit(3, 60), Quota(100, 1000)), []
    for second in range(5):
        admitted = call(*limits)
        told.append((counters.take(admitted, START + second) or admitted).limit_lines.split(b"\r\n")[1])
    assert told == [
        b'RateLimit: "rate";r=2;t=60, "quota";r=99;t=1000',
        b'RateLimit: "rate";r=1;t=59, "quota";r=98;t=999',
        b'RateLimit: "rate";r=0;t=58, "quota";r=97;t=998',
        b'RateLimit: "rate";r=0;t=57, "quota";r=97;t=997',
        b'RateLimit: "rate";r=0;t=56, "quota";r=97;t=996',
    ]
    lowered = counters.take(call(RateLimit(1, 60), Quota(1, 1000)), START + 5)
    assert b'"rate";r=0;t=55, "quota";r=0;t=995' in lowered.limit_lines


def test_the_policy_names_headers_for_the_calls_left_and_in_all():
    counters, limit = Counters(), RateLimit(2, 60, "Retry-After", "X-Left", "X-100%")
    first = call(limit)
    counters.take(first, START)
    assert first.limit_lines.endswith(b"\r\nX-100%: 2\r\nX-Left: 1\r\n")
    counters.take(call(limit), START)
    assert counters.take(call(limit), START).limit_lines.endswith(b"\r\nX-100%: 2\r\nX-Left: 0\r\n")


INNER_RATE = RateLimit(9, 60, inner=(InnerRateLimit(1, None, 1, 30),))
INNER_QUOTA = Quota(9, 0, inner=(InnerQuota(1, 11, 1, 3600),))


@pytest.mark.parametrize(
    ("rate_limit", "quota", "cause"),
    [
        pytest.param(RateLimit(1, 60), None, ("rate-limit", "product", 1, "calls", 1, 60, 50), id="product's rate"),
        pytest.param(INNER_RATE, None, ("rate-limit", "api", 1, "calls", 1, 30, 20), id="API's rate"),
        pytest.param(None, Quota(1, 0), ("quota", "product", 1, "calls", 1, 0, None), id="quota for good"),
        pytest.param(None, INNER_QUOTA, ("quota", "operation", 11, "calls", 1, 3600, 3590), id="operation's quota"),
        pytest.param(None, Quota(None, 60, 0), ("quota", "product", 1, "bytes", 0, 60, 60), id="bandwidth"),
    ],
)
def test_a_refusal_says_which_limit_was_reached(rate_limit, quota, cause):
    counters = Counters()
    counters.take(call(rate_limit, quota), START)
    refusal = counters.take(call(rate_limit, quota), START + 10)
    assert refusal.cause == LimitReached(*cause)
