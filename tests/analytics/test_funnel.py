"""How far people came since they signed up, checked against what was made to happen."""

import random
from datetime import UTC, datetime, timedelta
from statistics import median

import pytest
from allauth.account.models import EmailAddress
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import teams
from accounts.models import Team, TeamMembership, User
from analytics.funnel import Journey, Step, funnel, journeys, signed_up, stuck_at
from analytics.models import FirstCall
from analytics.periods import Span
from subscriptions.models import Product, Subscription

pytestmark = pytest.mark.django_db
MARCH = Span(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
HOUR = timedelta(hours=1)


@pytest.fixture
def product(db):
    return Product.objects.create(name="p", display_name="P", state="published")


def sign_up(name: str, at: datetime, *, confirmed: datetime | None = None, verified: bool = True, **fields) -> User:
    user = User.objects.create(email=f"{name}@example.org", registered_at=at, confirmed_at=confirmed, **fields)
    EmailAddress.objects.create(user=user, email=user.email, verified=verified, primary=True)
    return user


def subscribe(product, at, called=None, succeeded=None, **owner) -> Subscription:
    row = Subscription.objects.create(display_name="S", product=product, started_at=at, **owner)
    if called:
        FirstCall.objects.create(subscription=row, called_at=called, succeeded_at=succeeded)
    return row


def counts() -> list[tuple[int, int]]:
    return [(line.people, line.stuck) for line in funnel(MARCH)]


def travelled() -> list[Journey]:
    return list(journeys(list(signed_up(MARCH))))


def test_random_people_are_counted_as_they_were_made(product):
    draw = random.Random(5)
    moments: list[list[datetime]] = []
    for number in range(60):
        at = [MARCH.start + draw.random() * 30 * 24 * HOUR]
        for _ in range(draw.randrange(5)):
            at.append(at[-1] + draw.expovariate(1) * HOUR)
        moments.append(at)
        reached = dict(enumerate(at))
        user = sign_up(f"u{number}", at[0], confirmed=reached.get(1), verified=len(at) > 1)
        if len(at) > 2:
            subscribe(product, at[2], reached.get(3), reached.get(4), owner=user)
    lines = funnel(MARCH)
    for step, line in zip(Step, lines, strict=True):
        there = [at for at in moments if len(at) > step]
        assert line.people == len(there)
        assert line.stuck == sum(len(at) == step + 1 for at in moments)
        assert line.share == pytest.approx(len(there) / 60)
        if step:
            expected = median((at[step] - at[step - 1]).total_seconds() for at in there)
            assert line.median_time.total_seconds() == pytest.approx(expected, abs=1e-3)


def test_only_developers_who_signed_up_in_the_period_count(product):
    sign_up("before", MARCH.start - timedelta(microseconds=1))
    sign_up("first", MARCH.start)
    sign_up("last", MARCH.end - timedelta(microseconds=1))
    sign_up("after", MARCH.end)
    sign_up("staff", MARCH.start, is_staff=True)
    sign_up("gone", MARCH.start, state=User.State.DELETED)
    names = [User.objects.get(pk=one.user).email for one in travelled()]
    assert names == ["last@example.org", "first@example.org"]


def test_account_of_before_this_was_noted_is_confirmed_at_no_time(product):
    sign_up("old", MARCH.start)
    [line] = [line for line in funnel(MARCH) if line.step is Step.CONFIRMED]
    assert (line.people, line.median_time) == (1, None)


def test_who_calls_has_come_to_all_steps_before(product):
    """An administrator gave him an account and a subscription."""
    user = sign_up("made", MARCH.start, verified=False)
    subscribe(product, MARCH.start + HOUR, MARCH.start + 2 * HOUR, owner=user)
    assert counts() == [(1, 0), (1, 0), (1, 0), (1, 1), (0, 0)]


def test_request_that_waits_is_no_subscription(product):
    user = sign_up("waits", MARCH.start, confirmed=MARCH.start)
    Subscription.objects.create(display_name="S", product=product, owner=user, state="submitted")
    assert counts() == [(1, 0), (1, 1), (0, 0), (0, 0), (0, 0)]


def test_earliest_of_several_subscriptions_counts(product):
    user = sign_up("many", MARCH.start, confirmed=MARCH.start)
    subscribe(product, MARCH.start + 5 * HOUR, MARCH.start + 6 * HOUR, MARCH.start + 9 * HOUR, owner=user)
    subscribe(product, MARCH.start + 2 * HOUR, MARCH.start + 8 * HOUR, owner=user)
    [journey] = travelled()
    assert journey.moments == tuple(MARCH.start + hours * HOUR for hours in (0, 0, 2, 6, 9))


def test_subscription_of_a_team_counts_from_when_one_joined(product, alice):
    team = teams.create(name="Team", by=alice)
    subscribe(product, MARCH.start - HOUR, MARCH.start - HOUR, MARCH.start + 9 * HOUR, team=team)
    user = sign_up("member", MARCH.start, confirmed=MARCH.start)
    membership = TeamMembership.objects.create(team=team, user=user)
    TeamMembership.objects.filter(pk=membership.pk).update(joined_at=MARCH.start + 3 * HOUR)
    [journey] = travelled()
    assert journey.moments == tuple(MARCH.start + hours * HOUR for hours in (0, 0, 3, 3, 9))
    assert Team.objects.get() == team


def test_stuck_are_told_by_their_furthest_step(product):
    """Three ways lead to it: the steps of all people, the numbers of the funnel and the lists of who is stuck."""
    draw = random.Random(7)
    team = Team.objects.create(name="Team")
    for number in range(60):
        at = MARCH.start + number * HOUR
        user = sign_up(
            f"u{number}", at, confirmed=draw.choice([None, at + HOUR, at + 9 * HOUR]), verified=draw.random() < 0.5
        )
        for _ in range(draw.randrange(3)):
            owner = {"owner": user} if draw.random() < 0.8 else {"team": team}
            called = draw.choice([None, at + draw.randrange(9) * HOUR])
            subscribe(
                product, draw.choice([None, at + 5 * HOUR]), called, called and draw.choice([None, called]), **owner
            )
        if draw.random() < 0.2:
            TeamMembership.objects.create(team=team, user=user)
    found = travelled()
    lines = funnel(MARCH)
    for step in Step:
        expected = [journey.user for journey in found if journey.furthest is step]
        assert [user.pk for user in stuck_at(MARCH, step)] == expected
        assert lines[step].stuck == len(expected)
        times = [
            max((there - before).total_seconds(), 0)
            for journey in found
            if step and (there := journey.moments[step]) and (before := journey.moments[step - 1])
        ]
        expected_time = pytest.approx(median(times), abs=1e-2) if times else None
        time = lines[step].median_time
        assert (time.total_seconds() if time is not None else None) == expected_time


def test_nobody_is_nobody(db):
    assert counts() == [(0, 0)] * 5


def test_number_of_questions_does_not_grow_with_people(product):
    def questions(number: int) -> tuple[int, int]:
        for index in range(number):
            subscribe(product, MARCH.start, owner=sign_up(f"u{number}-{index}", MARCH.start))
        people = list(signed_up(MARCH))
        with CaptureQueriesContext(connection) as of_funnel:
            funnel(MARCH)
        with CaptureQueriesContext(connection) as of_people:
            list(journeys(people))
        return len(of_funnel), len(of_people)

    assert questions(1) == questions(20) == (1, 3)
