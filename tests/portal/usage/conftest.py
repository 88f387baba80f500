"""Own calls, those of a team, and those of others."""

import uuid
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from accounts.models import Team, TeamMembership
from analytics import sums
from analytics.models import Call, PendingCalls
from analytics.rollups import settle
from subscriptions import lifecycle
from subscriptions.models import Subscription, SubscriptionKey
from tests.analytics.conftest import record

MASK = "***"


@pytest.fixture(autouse=True)
def fresh_counts():
    cache.clear()


@pytest.fixture
def mine(starter, alice) -> Subscription:
    return lifecycle.subscribe(user=alice, product=starter, display_name="Laptop")


@pytest.fixture
def team(alice, bob) -> Team:
    """Alice owns it, bob is a member."""
    team = Team.objects.create(name="Orders")
    TeamMembership.objects.create(team=team, user=alice, role=TeamMembership.Role.OWNER)
    TeamMembership.objects.create(team=team, user=bob)
    return team


@pytest.fixture
def shared(starter, alice, team) -> Subscription:
    return lifecycle.subscribe(user=alice, product=starter, display_name="Orders app", team=team)


@pytest.fixture
def theirs(starter, mallory) -> Subscription:
    return lifecycle.subscribe(user=mallory, product=starter, display_name="Theirs")


def digest_start(subscription: Subscription, slot=SubscriptionKey.Slot.PRIMARY) -> str:
    return subscription.keys.current().get(slot=slot).digest[:16]


def call(subscription: Subscription | None, **fields) -> Call:
    """A call that a rate limit refused a minute ago, unless the fields say otherwise."""
    values = {
        "at": timezone.now() - timedelta(minutes=1),
        "request_id": uuid.uuid4(),
        "gateway": "gw",
        "subscription_id": subscription.pk if subscription else None,
        "user_id": subscription.owner_id if subscription else None,
        "product_id": subscription.product_id if subscription else None,
        "method": "GET",
        "url": "/echo/say/hello?loud=yes",
        "caller_address": "192.0.2.7",
        "response_code": 429,
        "total_ms": 1.5,
        "request_bytes": 100,
        "response_bytes": 200,
        "error_source": "rate-limit",
        "error_reason": "RateLimitExceeded",
        "key_prefix": digest_start(subscription) if subscription else "",
        "request_headers": [["accept", "text/plain"], ["ocp-apim-subscription-key", MASK], ["x-color", "green"]],
    } | fields
    return Call.objects.create(**values)


def summed(*calls) -> None:
    """Calls as the worker sums them: subscription, then what differs from a good call of now."""
    records = []
    for number, (subscription, fields) in enumerate(calls):
        values = {"at": timezone.now().timestamp(), "subscription": subscription.pk.bytes} | fields
        records.append(record(number, **values))
    PendingCalls.objects.create(calls=sums.encode([sums.brief(one, "") for one in records]))
    settle()
