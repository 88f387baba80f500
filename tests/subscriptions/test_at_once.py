"""Two requests about one subscription at the same moment: each rule holds all the same (PostgreSQL)."""

import pytest

from accounts.models import Team, TeamMembership, User
from subscriptions import keys, lifecycle
from subscriptions.models import Product, Subscription
from subscriptions.ownership import end_all_of, transfer
from tests.subscriptions.parallel import ON_POSTGRESQL, at_once

State = Subscription.State
pytestmark = ON_POSTGRESQL


@pytest.fixture
def carol() -> User:
    return User.objects.create_user("carol@example.org", "correct horse battery")


@pytest.fixture
def gold() -> Product:
    return Product.objects.create(
        name="gold", display_name="Gold", state="published", approval_required=True, subscriptions_limit=2
    )


def test_of_two_approvals_one_wins(carol, gold):
    waiting = lifecycle.subscribe(user=carol, product=gold, display_name="Hers")
    approve = [lambda: lifecycle.change_state(waiting, State.ACTIVE, by=None)] * 2
    assert at_once(*approve) == ["WrongState", "done"]
    assert waiting.events.filter(state=State.ACTIVE).count() == 1


def test_of_approval_and_rejection_one_wins(carol, gold):
    waiting = lifecycle.subscribe(user=carol, product=gold, display_name="Hers")
    outcomes = at_once(
        lambda: lifecycle.change_state(waiting, State.ACTIVE, by=None),
        lambda: lifecycle.change_state(waiting, State.REJECTED, by=None),
    )
    assert outcomes == ["WrongState", "done"]


def test_the_limit_holds_for_transfers_and_requests_at_once(carol, gold):
    others = [lifecycle.subscribe(user=carol, product=gold, display_name=f"Hers {n}") for n in range(2)]
    team = Team.objects.create(name="Orders")
    TeamMembership.objects.create(team=team, user=carol, role="owner")
    outcomes = at_once(
        *(lambda one=one: transfer(one, to=team, by=carol) for one in others),
        *[lambda: lifecycle.subscribe(user=carol, product=gold, display_name="Ours", team=team)] * 2,
    )
    assert outcomes == ["SubscriptionsLimitReached", "SubscriptionsLimitReached", "done", "done"]
    assert team.subscriptions.count() == 2


def test_a_key_is_made_new_once_by_two_who_saw_the_same(carol, gold):
    own = lifecycle.subscribe(user=carol, product=gold, display_name="Hers")
    seen = own.keys.get(slot="primary")

    def regenerate():
        keys.regenerate(own, keys.Slot.PRIMARY, by=carol, overlap=keys.Overlap.DAY, replaces=seen.pk)

    assert at_once(regenerate, regenerate) == ["KeyRefused", "done"]
    assert own.keys.old().get().pk == seen.pk


def test_a_key_that_is_made_new_twice_at_once_is_one_key(carol, gold):
    own = lifecycle.subscribe(user=carol, product=gold, display_name="Hers")
    assert at_once(*[lambda: keys.regenerate(own, keys.Slot.PRIMARY)] * 4) == ["done"] * 4
    assert own.keys.count() == 2


def test_two_subscriptions_do_not_get_one_value(carol, gold):
    both = [lifecycle.subscribe(user=carol, product=gold, display_name=f"Hers {n}") for n in range(2)]
    value = "tGzv3JOkF0XG5Qx2"
    set_value = (lambda one=one: keys.set_value(one, keys.Slot.PRIMARY, value, by=None) for one in both)
    assert at_once(*set_value) == ["KeyRefused", "done"]


def test_who_goes_while_he_subscribes_leaves_no_live_subscription_without_owner(carol, gold):
    lifecycle.subscribe(user=carol, product=gold, display_name="Hers")
    at_once(
        lambda: end_all_of(carol, by=None),
        lambda: lifecycle.subscribe(user=carol, product=gold, display_name="Late"),
    )
    assert not Subscription.objects.live().filter(owner=None, team=None).exists()
