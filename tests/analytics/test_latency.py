"""Percentiles from histograms are those of the times themselves, within the stated error."""

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import latency

TIMES = st.lists(st.integers(1, 4 * 3600 * 10**6), min_size=1, max_size=300)
SHARES = st.sampled_from([0.0, 0.01, 0.5, 0.95, 0.99, 0.999, 1.0])


def histogram(times) -> latency.Buckets:
    buckets: latency.Buckets = {}
    for time in times:
        latency.merge(buckets, {latency.bucket(time): 1})
    return buckets


@given(TIMES, SHARES)
def test_a_percentile_is_within_the_error_of_the_exact_one(times, share):
    exact = sorted(times)[max(ceil(share * len(times)), 1) - 1]
    assert latency.quantile(histogram(times), share) == pytest.approx(exact, rel=latency.RELATIVE_ERROR + 1e-9)


@given(st.lists(TIMES, min_size=1, max_size=5))
def test_merged_histograms_are_the_histogram_of_all(lists):
    merged: latency.Buckets = {}
    for times in lists:
        latency.merge(merged, histogram(times))
    assert merged == histogram(time for times in lists for time in times)


@given(st.lists(st.dictionaries(st.integers(0, 1023), st.integers(1, 200_000), max_size=20), max_size=4))
def test_joined_encodings_are_the_merged_histogram(histograms):
    merged: latency.Buckets = {}
    for buckets in histograms:
        latency.merge(merged, buckets)
    encoded = [latency.encode(buckets) for buckets in histograms]
    assert latency.decode(encoded) == latency.decode([b"".join(encoded)]) == merged


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        pytest.param(-5, 1, id="a clock that went back"),
        pytest.param(0, 1, id="no time at all"),
        pytest.param(1, 1, id="a microsecond"),
        pytest.param(3_600_000_000, 3_600_000_000, id="an hour"),
    ],
)
def test_times_at_the_ends(time, shown):
    assert latency.quantile({latency.bucket(time): 1}, 0.5) == pytest.approx(shown, rel=latency.RELATIVE_ERROR + 1e-9)


def test_a_time_past_all_bounds_has_the_last_bucket():
    assert latency.bucket(2**400) == 1023


def test_no_times_have_no_percentile():
    assert latency.quantile({}, 0.5) is None


def test_a_histogram_is_small():
    thousand = histogram(10_000 + 37 * number for number in range(1000))
    assert len(latency.encode(thousand)) <= 160


def test_many_histograms_are_merged_as_a_few_are():
    few = [latency.encode({number: number % 5 + 1, 300: 70_000}) for number in range(100)]
    many = few * 100
    assert latency.decode(many) == {number: count * 100 for number, count in latency.decode(few).items()}
