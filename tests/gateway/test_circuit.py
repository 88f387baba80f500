"""When a circuit opens, for how long, and what its trial decides."""

import pytest

from gateway.configuration.snapshot import Breaker
from gateway.upstream.circuit import (
    LEFT_OUT_SECONDS_AT_MOST,
    RETRY_AFTER_SECONDS_AT_MOST,
    Circuit,
    Circuits,
    retry_after,
)

RULE = Breaker(failures=3, interval_seconds=10, trip_seconds=30)


def fail(circuit: Circuit, *times: float) -> None:
    for time in times:
        circuit.failed(time, is_trial=False)


@pytest.mark.parametrize(
    ("rule", "times", "is_closed"),
    [
        pytest.param(RULE, [0, 5], True, id="too few"),
        pytest.param(RULE, [0, 5, 10], False, id="enough within the interval"),
        pytest.param(RULE, [0, 5, 10.1], True, id="not within the interval"),
        pytest.param(RULE, [0, 5, 10.1, 11], False, id="the last ones count"),
        pytest.param(None, [0, 50], True, id="health, too few"),
        pytest.param(None, [0, 50, 900], False, id="health, so many in a row"),
    ],
)
def test_failures_open_a_circuit(rule, times, is_closed):
    circuit = Circuit(rule)
    fail(circuit, *times)
    assert circuit.lets_pass(times[-1]) is is_closed


def test_success_between_failures_counts_for_health_and_not_for_a_rule():
    for rule, is_closed in ((None, True), (RULE, False)):
        circuit = Circuit(rule)
        fail(circuit, 1, 2)
        circuit.succeeded(is_trial=False)
        fail(circuit, 3)
        assert circuit.lets_pass(3) is is_closed


def opened() -> Circuit:
    circuit = Circuit(RULE)
    fail(circuit, 1, 2, 3)
    return circuit


def test_one_trial_passes_after_the_time_and_no_other_call_beside_it():
    circuit = opened()
    assert not circuit.lets_pass(32.9)
    assert circuit.lets_pass(33)
    assert circuit.enter()
    assert not circuit.lets_pass(33)


def test_a_trial_that_succeeds_closes_the_circuit():
    circuit = opened()
    circuit.enter()
    circuit.succeeded(is_trial=True)
    assert circuit.lets_pass(33)
    assert not circuit.enter()
    fail(circuit, 34, 35)
    assert circuit.lets_pass(35), "what failed before is forgotten"


def test_a_trial_that_fails_opens_it_again():
    circuit = opened()
    circuit.enter()
    circuit.failed(40, is_trial=True)
    assert not circuit.lets_pass(69)
    assert circuit.lets_pass(70)


def test_a_trial_without_a_verdict_is_followed_by_another():
    circuit = opened()
    circuit.enter()
    circuit.leave()
    assert circuit.lets_pass(33)


def test_calls_from_before_it_opened_change_nothing():
    circuit = opened()
    circuit.succeeded(is_trial=False)
    circuit.failed(20, is_trial=False)
    assert circuit.open_until == 33


def test_the_backend_can_say_how_long():
    circuit = opened()
    circuit.enter()
    circuit.failed(40, is_trial=True, seconds=5)
    assert circuit.open_until == 45


def test_a_sick_member_is_left_out_longer_each_time_within_bounds():
    circuit, now, lengths = Circuit(None), 100.0, []
    fail(circuit, now, now, now)
    for _ in range(8):
        lengths.append(circuit.open_until - now)
        now = circuit.open_until
        circuit.enter()
        circuit.failed(now, is_trial=True)
    assert lengths == [1, 2, 4, 8, 16, 32, 32, 32]
    assert max(lengths) == LEFT_OUT_SECONDS_AT_MOST
    circuit.enter()
    circuit.succeeded(is_trial=True)
    fail(circuit, now, now, now)
    assert circuit.open_until == now + 1


def test_circuits_outlive_a_change_that_leaves_their_rule():
    circuits = Circuits()
    circuit = circuits.of(7, RULE)
    assert circuits.of(7, Breaker(failures=3, interval_seconds=10, trip_seconds=30)) is circuit
    assert circuits.of(7, Breaker(failures=4, interval_seconds=10, trip_seconds=30)) is not circuit
    circuits.keep_only({8})
    assert circuits.by_backend == {}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"120", 120),
        (b"0", 0),
        (b"99999999999999999999", RETRY_AFTER_SECONDS_AT_MOST),
        (b"Wed, 21 Oct 2015 07:28:30 GMT", 30),
        (b"Wed, 21 Oct 2015 07:27:00 GMT", 0),
        (b"Wed, 21 Oct 2099 07:27:00 GMT", RETRY_AFTER_SECONDS_AT_MOST),
        (b"-5", None),
        (b"1.5", None),
        (b"soon", None),
        (b"Wed, 21 Oct 99999999999999999999 07:28:00 GMT", None),
        (b"Wed, 21 Oct 2015 99999999999999999999:28:00 GMT", None),
        (b"\xff", None),
        (b"", None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_bounded(value, seconds):
    head = b"HTTP/1.1 503 Service Unavailable\r\nX: y\r\nretry-AFTER: " + value + b"\r\nZ: 1\r\n"
    assert retry_after(head, 1445412480.0) == seconds


def test_no_retry_after_says_nothing():
    assert retry_after(b"HTTP/1.1 503 \r\nX-Retry-After: 5\r\n", 0) is None
