"""Whose turn it is in a pool."""

from collections import Counter
from dataclasses import replace

import pytest

from gateway.configuration.snapshot import Breaker
from gateway.upstream.backend import Guarded, Member, backend_of
from gateway.upstream.balancing import Balancer
from gateway.upstream.circuit import Circuits

STRICT = Breaker(failures=1, interval_seconds=10, trip_seconds=30)


def pool(*members: tuple[int, int, int], breaker: Breaker | None = None) -> Guarded:
    """Members as number, priority and weight."""
    groups: dict[int, list[Member]] = {}
    for number, priority, weight in members:
        backend = replace(backend_of(f"http://127.0.0.1:{9000 + number}"), id=number, breaker=breaker)
        groups.setdefault(priority, []).append(Member(backend, priority, weight))
    return Guarded(1, tuple(tuple(groups[priority]) for priority in sorted(groups)), True, None, None)


def calls(balancer: Balancer, guarded: Guarded, count: int, now: float = 0.0) -> list[int]:
    chosen = [balancer.choose(guarded, (), now) for _ in range(count)]
    return [backend.id if backend is not None else 0 for backend in chosen]


def leave_out(circuits: Circuits, number: int, breaker: Breaker | None = None) -> None:
    for _ in range(3):
        circuits.of(number, breaker).failed(0.0, is_trial=False)


@pytest.mark.parametrize(
    ("weights", "turns"),
    [
        ([1, 1], [1, 2, 1, 2, 1, 2]),
        ([5, 1, 1], [1, 1, 2, 1, 3, 1, 1]),
        ([1, 1, 1], [1, 2, 3, 1, 2, 3]),
        ([100, 100], [1, 2, 1, 2]),
    ],
)
def test_members_take_turns_by_weight_and_smoothly(weights, turns):
    guarded = pool(*((number, 1, weight) for number, weight in enumerate(weights, 1)))
    assert calls(Balancer(Circuits()), guarded, len(turns)) == turns


def test_a_later_group_is_called_only_while_none_of_an_earlier_one_is_usable():
    circuits = Circuits()
    balancer, guarded = Balancer(circuits), pool((1, 1, 1), (2, 1, 1), (3, 2, 1))
    assert set(calls(balancer, guarded, 10)) == {1, 2}
    leave_out(circuits, 1)
    assert set(calls(balancer, guarded, 10)) == {2}
    leave_out(circuits, 2)
    assert set(calls(balancer, guarded, 10)) == {3}
    assert set(calls(balancer, guarded, 10, now=1.0)) == {1, 2}


def test_what_was_tried_is_not_chosen_again():
    balancer, guarded = Balancer(Circuits()), pool((1, 1, 1), (2, 1, 1), (3, 2, 1))
    assert [balancer.choose(guarded, tried, 0.0).id for tried in ({1}, {1, 2})] == [2, 3]
    assert balancer.choose(guarded, {1, 2, 3}, 0.0) is None


def test_where_all_are_in_bad_health_they_are_called_all_the_same():
    circuits = Circuits()
    guarded = pool((1, 1, 1), (2, 2, 1))
    leave_out(circuits, 1)
    leave_out(circuits, 2)
    assert calls(Balancer(circuits), guarded, 3) == [1, 1, 1]


def test_where_the_rules_of_all_say_no_nobody_is_called():
    circuits = Circuits()
    balancer, guarded = Balancer(circuits), pool((1, 1, 1), (2, 2, 1), breaker=STRICT)
    leave_out(circuits, 1, STRICT)
    leave_out(circuits, 2, STRICT)
    assert calls(balancer, guarded, 2) == [0, 0]
    assert balancer.seconds_to_wait(guarded, 10.0) == 20.0
    assert not balancer.will_let_pass(guarded, 29.0)
    assert balancer.will_let_pass(guarded, 30.0)


def test_one_trial_at_a_time_and_the_rest_goes_elsewhere():
    circuits = Circuits()
    balancer, guarded = Balancer(circuits), pool((1, 1, 1), (2, 1, 1))
    leave_out(circuits, 1)
    circuits.of(1, None).enter()
    assert set(calls(balancer, guarded, 4, now=5.0)) == {2}


def test_shares_stay_right_after_a_member_was_away():
    circuits = Circuits()
    balancer, guarded = Balancer(circuits), pool((1, 1, 3), (2, 1, 1))
    leave_out(circuits, 1)
    calls(balancer, guarded, 50)
    circuits.of(1, None).enter()
    circuits.of(1, None).succeeded(is_trial=True)
    assert Counter(calls(balancer, guarded, 40, now=5.0)) == {1: 30, 2: 10}


@pytest.mark.parametrize("now", [0.0, 2.002, 9.99, 4700.123, 131071.934])
def test_the_wait_is_no_longer_than_the_trip_whatever_the_clock_says(now):
    circuits = Circuits()
    balancer, guarded = Balancer(circuits), pool((1, 1, 1), breaker=STRICT)
    circuits.of(1, STRICT).failed(now, is_trial=False)
    assert balancer.seconds_to_wait(guarded, now) == 30
    assert balancer.seconds_to_wait(guarded, now + 29.5) == 0.5
    assert balancer.seconds_to_wait(guarded, now + 31) == 0
