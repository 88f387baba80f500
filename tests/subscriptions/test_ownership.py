"""Subscriptions of people and teams: whose they are, who gets them, and what ends with whom."""

import pytest
from django.db.models import ProtectedError
from django.utils import timezone

from accounts.closing import close
from accounts.models import Team, TeamMembership
from events import names
from events.models import Event
from subscriptions import lifecycle
from subscriptions.models import Product, Subscription, SubscriptionEvent
from subscriptions.offering import delete_product
from subscriptions.ownership import end_all_of, transfer

Role = TeamMembership.Role
State = Subscription.State


@pytest.fixture
def team(alice, bob) -> Team:
    """Alice owns it, bob is a member."""
    team = Team.objects.create(name="Orders")
    TeamMembership.objects.create(team=team, user=alice, role=Role.OWNER)
    TeamMembership.objects.create(team=team, user=bob)
    return team


@pytest.fixture
def gold(db) -> Product:
    return Product.objects.create(
        name="gold", display_name="Gold", state=Product.State.PUBLISHED, subscriptions_limit=1
    )


@pytest.fixture
def alices(alice, gold) -> Subscription:
    return lifecycle.subscribe(user=alice, product=gold, display_name="Mine")


def test_an_owner_subscribes_for_the_team(alice, bob, team, gold):
    made = lifecycle.subscribe(user=alice, product=gold, display_name="Ours", team=team)
    assert (made.owner, made.team) == (None, team)
    assert made in Subscription.objects.of(bob)
    assert made not in Subscription.objects.changeable_by(bob)


def test_members_and_strangers_do_not_subscribe_for_the_team(bob, mallory, team, gold):
    for user in (bob, mallory):
        with pytest.raises(lifecycle.LifecycleError, match="Only an owner of a team"):
            lifecycle.subscribe(user=user, product=gold, display_name="Ours", team=team)


def test_the_limit_counts_for_each_person_and_each_team(alice, alices, team, gold):
    lifecycle.subscribe(user=alice, product=gold, display_name="Ours", team=team)
    with pytest.raises(lifecycle.SubscriptionsLimitReached):
        lifecycle.subscribe(user=alice, product=gold, display_name="Ours too", team=team)


def test_a_transfer_keeps_keys_and_is_in_the_history(alice, alices, team):
    before = list(alices.keys.values_list("digest"))
    moved = transfer(alices, to=team, by=alice, comment="I leave")
    assert (moved.owner, moved.team, list(moved.keys.values_list("digest"))) == (None, team, before)
    step = moved.events.last()
    assert (step.kind, step.by, step.detail, step.comment) == ("transferred", alice, "Orders", "I leave")
    assert Event.objects.get(name=names.SUBSCRIPTION_TRANSFERRED).data["team"] == team.pk


def test_a_transfer_to_a_person_names_him_by_his_row_only(alices, bob, admin_user):
    moved = transfer(alices, to=bob, by=admin_user)
    step = moved.events.last()
    assert (moved.owner, step.new_owner, step.detail) == (bob, bob, "")


def test_what_cannot_be_transferred(alice, alices, bob, gold, team):
    with pytest.raises(lifecycle.LifecycleError, match="already"):
        transfer(alices, to=alice, by=alice)
    lifecycle.subscribe(user=bob, product=gold, display_name="His")
    with pytest.raises(lifecycle.SubscriptionsLimitReached):
        transfer(alices, to=bob, by=alice)
    lifecycle.change_state(alices, State.CANCELLED, by=alice)
    with pytest.raises(lifecycle.LifecycleError, match="ended"):
        transfer(alices, to=team, by=alice)


def test_who_goes_ends_his_subscriptions_and_leaves_their_history(alice, alices, admin_user):
    waiting = lifecycle.create(display_name="Everything", by=admin_user, owner=alice)
    assert end_all_of(alice, by=alice, comment="Account closed") == 2
    for row in (alices, waiting):
        row.refresh_from_db()
        assert (row.state, row.owner) == (State.CANCELLED, None)
    assert alices.events.last().comment == "Account closed"
    alice.delete()
    assert SubscriptionEvent.objects.filter(subscription=alices).count() == 2


def test_the_row_of_a_user_cannot_go_before_his_subscriptions_have_ended(alice, alices):
    with pytest.raises(ProtectedError):
        alice.delete()


def test_the_subscriptions_of_a_team_outlive_its_members(alice, alices, team):
    transfer(alices, to=team, by=alice)
    end_all_of(alice, by=alice)
    alices.refresh_from_db()
    assert (alices.state, alices.team) == (State.ACTIVE, team)


def test_a_team_that_goes_ends_its_subscriptions(alice, alices, team):
    transfer(alices, to=team, by=alice)
    assert end_all_of(team, by=alice) == 1
    team.delete()
    alices.refresh_from_db()
    assert alices.state == State.CANCELLED


def test_nothing_is_given_to_who_is_gone_or_of_what_is_deleted(alice, bob, team, gold, admin_user):
    mine = lifecycle.create(display_name="Mine", by=admin_user, owner=alice)
    close(bob, by=bob)
    team.deleted_at = timezone.now()
    team.save()
    for gone in ({"owner": bob}, {"team": team}):
        with pytest.raises(lifecycle.LifecycleError):
            lifecycle.create(display_name="Given", by=admin_user, product=gold, **gone)
        with pytest.raises(lifecycle.LifecycleError):
            transfer(mine, to=next(iter(gone.values())), by=admin_user)
    delete_product(gold, by=admin_user)
    with pytest.raises(lifecycle.LifecycleError, match="not offered any more"):
        lifecycle.create(display_name="Given", by=admin_user, owner=alice, product=gold)
