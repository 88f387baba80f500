"""Keys at rest, shown and replaced."""

import re

import pytest

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
