"""Keys at rest, shown and replaced."""

import re
from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from events.models import Event
from gateway.configuration import key_digest
from subscriptions import keys, lifecycle
from subscriptions.models import SubscriptionKey

pytestmark = pytest.mark.django_db


@pytest.fixture
def subscription():
    return lifecycle.create(display_name="Everything", by=None)


def test_a_key_is_32_hexadecimal_digits(subscription):
    assert re.fullmatch(r"[0-9a-f]{32}", keys.reveal(subscription, keys.Slot.PRIMARY))


def test_a_key_does_not_lie_in_the_database(subscription):
    key = keys.reveal(subscription, keys.Slot.PRIMARY)
    row = SubscriptionKey.objects.filter(slot=keys.Slot.PRIMARY).values().get()
    assert all(key not in str(value) for value in row.values())
    assert row["prefix"] == key[:4]


def test_the_gateway_finds_a_key_by_its_digest(subscription, settings):
    key = keys.reveal(subscription, keys.Slot.SECONDARY)
    secret = key_digest.digest_secret(settings.KEY_ENCRYPTION_KEY)
    row = SubscriptionKey.objects.get(digest=key_digest.digest(secret, key.encode()).hex())
    assert (row.subscription, row.slot) == (subscription, keys.Slot.SECONDARY)


def test_regenerating_replaces_one_key_and_leaves_the_other(subscription):
    before = {slot: keys.reveal(subscription, slot) for slot in keys.Slot}
    keys.regenerate(subscription, keys.Slot.PRIMARY)
    after = {slot: keys.reveal(subscription, slot) for slot in keys.Slot}
    assert before[keys.Slot.PRIMARY] != after[keys.Slot.PRIMARY]
    assert before[keys.Slot.SECONDARY] == after[keys.Slot.SECONDARY]


VALUE = "tGzv3JOkF0XG5Qx2"


def test_a_key_that_is_replaced_works_on_as_an_old_one_and_can_be_read_no_more(subscription):
    now, before = timezone.now(), subscription.keys.get(slot="primary")
    keys.regenerate(subscription, keys.Slot.PRIMARY, overlap=keys.Overlap.DAY, now=now)
    old = subscription.keys.old().get()
    assert (old.pk, old.digest, old.ends_at) == (before.pk, before.digest, now + timedelta(days=1))
    assert old.ciphertext == ""
    assert subscription.keys.current().count() == 2


def test_a_slot_has_one_old_key_at_most(subscription):
    for _ in range(3):
        keys.regenerate(subscription, keys.Slot.PRIMARY, overlap=keys.Overlap.WEEK)
    assert subscription.keys.old().count() == 1
    keys.regenerate(subscription, keys.Slot.PRIMARY)
    assert not subscription.keys.old().exists()


def test_old_keys_are_forgotten_after_their_end(subscription):
    now = timezone.now()
    keys.regenerate(subscription, keys.Slot.PRIMARY, overlap=keys.Overlap.HOUR, now=now)
    assert keys.delete_ended(now + timedelta(minutes=59)) == 0
    assert keys.delete_ended(now + timedelta(hours=1)) == 1


def test_a_value_of_its_own_opens_the_gateway(subscription, admin_user):
    keys.set_value(subscription, keys.Slot.SECONDARY, VALUE, by=admin_user)
    assert keys.reveal(subscription, keys.Slot.SECONDARY) == VALUE
    assert subscription.events.last().detail == "secondary tGzv…"


@pytest.mark.parametrize("overlap", [None, keys.Overlap.DAY], ids=["a key's", "an old key's"])
def test_a_value_that_is_taken_is_refused(subscription, overlap):
    other = lifecycle.create(display_name="Other", by=None)
    keys.set_value(other, keys.Slot.PRIMARY, VALUE, by=None)
    if overlap is not None:
        keys.regenerate(other, keys.Slot.PRIMARY, overlap=overlap)
    before = keys.reveal(subscription, keys.Slot.PRIMARY)
    with pytest.raises(keys.KeyRefused, match="taken"):
        keys.set_value(subscription, keys.Slot.PRIMARY, VALUE, by=None)
    assert keys.reveal(subscription, keys.Slot.PRIMARY) == before


def test_keys_of_an_ended_subscription_are_not_replaced(subscription):
    lifecycle.change_state(subscription, lifecycle.State.CANCELLED, by=None)
    for replace in (keys.regenerate, partial(keys.set_value, value=VALUE, by=None)):
        with pytest.raises(keys.KeyRefused, match="ended"):
            replace(subscription, keys.Slot.PRIMARY)


def test_keys_are_in_no_event(subscription, admin_user):
    keys.regenerate(subscription, keys.Slot.PRIMARY, by=admin_user)
    keys.set_value(subscription, keys.Slot.SECONDARY, VALUE, by=admin_user)
    texts = [str(event.data) for event in Event.objects.all()]
    texts += [f"{step.detail} {step.comment}" for step in subscription.events.all()]
    for slot in keys.Slot:
        assert not any(keys.reveal(subscription, slot) in text for text in texts)


def test_keys_of_what_stands_alone_are_shown_to_administrators_and_the_history_tells(subscription, admin_user, alice):
    shown = keys.reveal_to_administrator(subscription, by=admin_user)
    assert shown == {slot: keys.reveal(subscription, slot) for slot in keys.Slot}
    assert (subscription.events.last().kind, subscription.events.last().by) == ("keys_shown", admin_user)
    owned = lifecycle.create(display_name="Hers", by=None, owner=alice)
    with pytest.raises(keys.KeyRefused, match="Only its owner"):
        keys.reveal_to_administrator(owned, by=admin_user)


Slot = keys.Slot


def former(subscription) -> list[tuple[str, str]]:
    return list(subscription.former_keys.order_by("pk").values_list("slot", "digest_start"))


def digest_start(subscription, slot) -> str:
    return subscription.keys.current().get(slot=slot).digest[:16]


def test_a_key_that_is_replaced_is_still_known_by_its_digest(subscription, alice):
    start = digest_start(subscription, Slot.PRIMARY)
    keys.regenerate(subscription, Slot.PRIMARY, by=alice)
    assert former(subscription) == [("primary", start)]
    assert digest_start(subscription, Slot.PRIMARY) != start


def test_an_old_key_is_former_once_its_time_is_over(subscription, alice):
    start, now = digest_start(subscription, Slot.PRIMARY), timezone.now()
    keys.regenerate(subscription, Slot.PRIMARY, by=alice, overlap=keys.Overlap.HOUR, now=now)
    assert former(subscription) == []
    keys.delete_ended(now + timedelta(hours=3))
    assert former(subscription) == [("primary", start)]
    assert subscription.former_keys.get().ended_at == now + timedelta(hours=1)


def test_an_old_key_that_is_ended_early_is_former_from_then_on(subscription, alice):
    start = digest_start(subscription, Slot.SECONDARY)
    keys.regenerate(subscription, Slot.SECONDARY, by=alice, overlap=keys.Overlap.WEEK)
    keys.end_old(subscription, Slot.SECONDARY, by=alice)
    assert former(subscription) == [("secondary", start)]
    assert subscription.former_keys.get().ended_at <= timezone.now()
