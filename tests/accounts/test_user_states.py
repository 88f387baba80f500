"""Blocking an account, and making it active again."""

import threading

import pytest
from django.db import connection

from accounts import user_states
from accounts.models import User, UserStateChange
from accounts.user_states import change_state
from events.models import Event

State = User.State


def test_every_change_is_kept_and_told(alice, admin_user):
    change_state(alice, State.BLOCKED, by=admin_user, comment="Spam")
    change_state(alice, State.ACTIVE, by=admin_user)
    kept = UserStateChange.objects.filter(user=alice).values_list("state", "by", "comment")
    assert list(kept) == [("blocked", admin_user.pk, "Spam"), ("active", admin_user.pk, "")]
    assert list(Event.objects.values_list("name", "data")) == [
        ("user.blocked", {"user": alice.pk}),
        ("user.activated", {"user": alice.pk}),
    ]


@pytest.mark.parametrize(
    ("state", "to", "is_allowed"),
    [(state, to, to in user_states.TRANSITIONS[state]) for state in State for to in (State.ACTIVE, State.BLOCKED)],
)
def test_states_follow_each_other_as_the_table_says(alice, admin_user, state, to, is_allowed):
    User.objects.filter(pk=alice.pk).update(state=state)
    if not is_allowed:
        with pytest.raises(user_states.WrongUserState):
            change_state(alice, to, by=admin_user)
    else:
        assert change_state(alice, to, by=admin_user).state == to


def test_nobody_blocks_himself(admin_user):
    with pytest.raises(user_states.OneselfBlocked):
        change_state(admin_user, State.BLOCKED, by=admin_user)


def test_last_administrator_stays(admin_user, alice):
    with pytest.raises(user_states.LastAdministrator):
        change_state(admin_user, State.BLOCKED, by=alice)


def test_blocked_administrator_is_none_to_rely_on(admin_user, alice):
    User.objects.filter(pk=alice.pk).update(is_superuser=True, state=State.BLOCKED)
    with pytest.raises(user_states.LastAdministrator):
        change_state(admin_user, State.BLOCKED, by=None)


@pytest.mark.postgresql
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite lets one transaction write at a time")
@pytest.mark.django_db(transaction=True)
def test_two_administrators_do_not_block_each_other(admin_user, alice):
    User.objects.filter(pk=alice.pk).update(is_superuser=True)
    refusals: list[Exception] = []
    start = threading.Barrier(2, timeout=60)

    def block(user: User, by: User) -> None:
        try:
            start.wait()
            change_state(user, State.BLOCKED, by=by)
        except user_states.LastAdministrator as error:
            refusals.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=block, args=pair) for pair in ((alice, admin_user), (admin_user, alice))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(refusals), User.objects.filter(state=State.ACTIVE).count()) == (1, 1)
