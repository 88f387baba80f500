"""Call rates and quotas: exact, and free for whom they refuse."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admission import Admitted
from gateway.backend import backend_of
from gateway.limits import Counters, time_span
from gateway.snapshot import Product, Quota, RateLimit
from tests.gateway.snapshots import ALICE, api, catalogue, subscription

START = 1_800_000_000.0
BOB = b"B" * 16


def call(rate_limit=None, quota=None, subscription=ALICE, product=1):
    return Admitted(
        api=1,
        operation=1,
        product=product,
        subscription=subscription,
        user=7,
        backend=backend_of("http://127.0.0.1:9000"),
        target=b"/q",
        url=b"/echo/q",
        key_header=b"ocp-apim-subscription-key",
        rate_limit=rate_limit,
        quota=quota,
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
    assert (admitted.quota_period_start, admitted.quota_calls) == (START, 2)


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


@pytest.mark.parametrize("fields", [{"subscription": None}, {"product": None}])
def test_without_subscription_or_product_nothing_is_counted(fields):
    assert statuses(Counters(), [START] * 5, RateLimit(1, 60), Quota(1, 60), **fields) == [200] * 5


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


PRODUCT = Product(1, (1,), RateLimit(5, 60), Quota(100, 1000))


def test_counters_that_limit_nothing_any_more_are_dropped():
    served = catalogue(api(1, "echo"), PRODUCT, subscription(b"K1", id=ALICE), subscription(b"K2", id=BOB))
    counters = Counters()
    for who in (ALICE, BOB, b"gone" * 4):
        counters.take(call(PRODUCT.rate_limit, PRODUCT.quota, subscription=who), START)
    counters.take(call(PRODUCT.rate_limit, PRODUCT.quota, subscription=BOB), START + 30)
    counters.sweep(served, START + 70)
    assert (set(counters._rates), {key for key, _ in counters.quotas()}) == ({(1, BOB)}, {(1, ALICE), (1, BOB)})
    counters.sweep(served, START + 1000)
    assert (counters._rates, counters.quotas()) == ({}, [])


def test_a_sweep_forgets_no_count_that_still_limits():
    served = catalogue(api(1, "echo"), PRODUCT, subscription(b"K1", id=ALICE))
    counters = Counters()
    statuses(counters, [START] * 5, PRODUCT.rate_limit, PRODUCT.quota)
    for second in range(59):
        counters.sweep(served, START + second)
    assert statuses(counters, [START + 59], PRODUCT.rate_limit, PRODUCT.quota) == [429]


@given(st.integers(0, 10**9))
def test_a_time_span_reads_back(seconds):
    found = re.fullmatch(r"(?:(\d+)\.)?(\d\d):([0-5]\d):([0-5]\d)", time_span(seconds))
    days, hours, minutes, rest = (int(part or 0) for part in found.groups())
    assert days * 86400 + hours * 3600 + minutes * 60 + rest == seconds
