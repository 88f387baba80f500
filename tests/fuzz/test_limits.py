"""Limits against a model that remembers every call, with a clock that runs, jumps and is set back."""

import http_sfv
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.configuration.snapshot import InnerQuota, InnerRateLimit, Product, Quota, RateLimit
from gateway.limits.counters import Counters
from tests.gateway.snapshots import api, catalogue, subscription
from tests.gateway.test_limits import START, call

PERIODS = st.sampled_from([1, 5, 60])
STEPS = st.one_of(
    st.integers(0, 40).map(lambda tenths: tenths / 10), st.sampled_from([3600.0, -3600.0, -60.0, -0.5, 7.25])
)


class Model:
    """One rate limit and one quota, obviously right: whenever the clock is set back, all that was is now.

    What has left the window is gone, for a clock that jumped ahead is believed.
    """

    def __init__(self, rate: tuple[int, int], quota: tuple[int, int]) -> None:
        self.rate, self.quota = rate, quota
        self.passed: list[float] = []
        self.start: float | None = None
        self.calls = 0

    def take(self, now: float) -> bool:
        (most, period), (quota, quota_period) = self.rate, self.quota
        self.passed = [min(time, now) for time in self.passed if min(time, now) + period > now]
        self.start = None if self.start is None else min(self.start, now)
        if self.start is not None and quota_period and self.start + quota_period <= now:
            self.start = None
        if len(self.passed) >= most:
            return False
        if self.start is not None and self.calls >= quota:
            return False
        if self.start is None:
            self.start, self.calls = now, 0
        self.calls += 1
        self.passed.append(now)
        return True


@given(
    st.tuples(st.integers(1, 4), PERIODS),
    st.tuples(st.integers(1, 6), st.sampled_from([0, 2, 60])),
    st.lists(STEPS, max_size=60),
)
@example((4, 1), (1, 60), [0.0, -3600.0, 60.0])
@example((4, 60), (1, 60), [3600.0, -3600.0, 59.0, 1.0])
def test_each_call_is_decided_as_the_model_does(rate, quota, steps):
    counters, model, now = Counters(), Model(rate, quota), START
    limits = RateLimit(*rate), Quota(*quota)
    for step in steps:
        now += step
        refusal = counters.take(call(*limits), now)
        assert (refusal is None) == model.take(now)
        wait = dict(refusal.headers).get(b"Retry-After") if refusal is not None else None
        if wait is not None:
            # Nobody waits for longer than the period, whatever the clock did.
            assert 1 <= int(wait) <= (rate[1] if refusal.status == 429 else quota[1])


@given(
    st.tuples(st.integers(1, 4), PERIODS),
    st.tuples(st.integers(1, 6), st.sampled_from([0, 2, 60])),
    st.lists(STEPS, max_size=40),
)
def test_a_sweep_or_a_restart_lets_nothing_more_through(rate, quota, steps):
    """The clock runs forward here: after a restart nobody knows that it was set back meanwhile."""
    product = Product(1, (1,), RateLimit(*rate), Quota(*quota))
    served = catalogue(api(1, "echo"), product, subscription(b"K1"))
    plain, swept, now = Counters(), Counters(), START
    for index, step in enumerate(steps):
        now += abs(step)
        expected = plain.take(call(product.rate_limit, product.quota), now)
        assert (swept.take(call(product.rate_limit, product.quota), now) is None) == (expected is None)
        if index % 3 == 0:
            swept.sweep(served, now)
        if index % 7 == 0:
            before, swept = swept, Counters()
            for _ in range(2):
                swept.restore(before.quotas())
                swept.restore_rates(before.rates())


LIMITS = st.builds(
    lambda rate, names, quota: (rate and RateLimit(*rate, *names), quota and Quota(*quota)),
    st.none() | st.tuples(st.integers(1, 3), PERIODS),
    st.sampled_from([(), ("Retry-After", "X-Left", "X-100%-of"), ("X-%d", "%s", "%%")]),
    st.none()
    | st.tuples(st.integers(0, 3), PERIODS | st.just(0))
    | st.tuples(st.none(), PERIODS | st.just(0), st.integers(0, 3)),
)
INNER = st.lists(
    st.tuples(st.sampled_from([(1, None), (1, 11)]), st.integers(1, 3), PERIODS),
    max_size=2,
    unique_by=lambda one: one[0],
)


@given(LIMITS, INNER, INNER, st.lists(STEPS, min_size=1, max_size=12))
def test_the_fields_are_structured_and_true(limits, inner_rates, inner_quotas, steps):
    rate, quota = limits
    if rate is not None:
        rate = RateLimit(
            rate.calls,
            rate.renewal_period_seconds,
            rate.retry_after_header_name,
            rate.remaining_calls_header_name,
            rate.total_calls_header_name,
            tuple(InnerRateLimit(*scope, *one) for scope, *one in inner_rates),
        )
    if quota is not None:
        quota = Quota(
            quota.calls,
            quota.renewal_period_seconds,
            quota.kilobytes,
            tuple(InnerQuota(*scope, *one) for scope, *one in inner_quotas),
        )
    if rate is None and quota is None:
        return
    counters, now = Counters(), START
    for step in steps:
        now += step
        admitted = call(rate, quota)
        refusal = counters.take(admitted, now)
        lines = (refusal or admitted).limit_lines
        fields = dict(line.split(b": ", 1) for line in lines.split(b"\r\n")[:-1])
        assert lines.endswith(b"\r\n")
        policies, left = parsed(fields[b"RateLimit-Policy"]), parsed(fields[b"RateLimit"])
        assert list(policies) == list(left)
        for name, parameters in left.items():
            assert 0 <= parameters["r"] <= policies[name]["q"]
            assert ("t" in parameters) == ("w" in policies[name])
            assert 0 <= parameters.get("t", 0) <= policies[name].get("w", 0)
        if refusal is not None:
            assert any(parameters["r"] == 0 for parameters in left.values())
        else:
            counters.add_bytes(admitted, 700, now)


def parsed(field: bytes) -> dict[str, dict[str, int]]:
    """The names and their parameters, by the standard's own parser."""
    found = http_sfv.List()
    found.parse(field)
    assert str(found).encode() == field
    return {item.value: dict(item.params) for item in found}
