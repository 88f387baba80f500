"""From a request to the end of a subscription."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from events.models import Event
from subscriptions import keys, lifecycle
from subscriptions.models import Product, Subscription

State = Subscription.State
pytestmark = pytest.mark.django_db


@pytest.fixture
def make_product():
    def make(**fields) -> Product:
        name = fields.setdefault("name", "gold")
        return Product.objects.create(display_name=name.title(), state=Product.State.PUBLISHED, **fields)

    return make


def test_a_subscription_is_active_at_once_and_has_two_different_keys(alice, make_product):
    subscription = lifecycle.subscribe(user=alice, product=make_product(), display_name="Mine")
    assert subscription.state == State.ACTIVE
    assert subscription.started_at is not None
    assert keys.reveal(subscription, keys.Slot.PRIMARY) != keys.reveal(subscription, keys.Slot.SECONDARY)


@pytest.mark.parametrize("is_cancelled", [True, False])
def test_nobody_floods_the_publisher_with_subscriptions(alice, admin_user, make_product, is_cancelled, monkeypatch):
    monkeypatch.setattr(lifecycle, "SUBSCRIPTIONS_PER_HOUR", 2)
    product = make_product(approval_required=True)
    for _ in range(2):
        made = lifecycle.subscribe(user=alice, product=product, display_name="Mine")
        if is_cancelled:
            lifecycle.change_state(made, State.CANCELLED, by=alice)
    with pytest.raises(lifecycle.TooManySubscriptions):
        lifecycle.subscribe(user=alice, product=product, display_name="Mine")
    lifecycle.create(display_name="Hers", owner=alice, by=admin_user)
    Subscription.objects.update(created_at=timezone.now() - timedelta(hours=1))
    lifecycle.subscribe(user=alice, product=product, display_name="Mine")


def test_a_product_that_needs_approval_gives_a_submitted_subscription(alice, admin_user, make_product):
    subscription = lifecycle.subscribe(user=alice, product=make_product(approval_required=True), display_name="Mine")
    assert (subscription.state, subscription.started_at) == (State.SUBMITTED, None)
    approved = lifecycle.change_state(subscription, State.ACTIVE, by=admin_user, comment="Welcome")
    assert (approved.state, approved.state_comment) == (State.ACTIVE, "Welcome")
    assert approved.started_at is not None
    assert [(event.state, event.by) for event in approved.events.all()] == [
        ("submitted", alice),
        ("active", admin_user),
    ]


def test_each_step_is_an_event_that_names_rows_and_no_key(alice, admin_user, make_product):
    product = make_product(approval_required=True)
    subscription = lifecycle.subscribe(user=alice, product=product, display_name="Mine")
    for state in (State.ACTIVE, State.SUSPENDED, State.ACTIVE, State.CANCELLED):
        lifecycle.change_state(subscription, state, by=admin_user, comment="So be it")
    assert list(Event.objects.values_list("name", flat=True)) == [
        *("subscription.requested", "subscription.activated", "subscription.suspended"),
        *("subscription.resumed", "subscription.cancelled"),
    ]
    last = Event.objects.latest("pk")
    rows = {"subscription": str(subscription.pk), "owner": alice.pk, "team": None, "product": product.pk, "api": None}
    assert (last.by, last.data) == (admin_user, {**rows, "comment": "So be it"})


def test_a_pending_request_counts_towards_the_limit(alice, make_product):
    product = make_product(approval_required=True, subscriptions_limit=1)
    lifecycle.subscribe(user=alice, product=product, display_name="First")
    with pytest.raises(lifecycle.SubscriptionsLimitReached, match="Subscriptions limit reached for same user"):
        lifecycle.subscribe(user=alice, product=product, display_name="Second")


def test_an_ended_subscription_frees_its_place(alice, make_product):
    product = make_product(subscriptions_limit=1)
    first = lifecycle.subscribe(user=alice, product=product, display_name="First")
    lifecycle.change_state(first, State.CANCELLED, by=alice)
    assert lifecycle.subscribe(user=alice, product=product, display_name="Second").state == State.ACTIVE


def test_terms_have_to_be_accepted_as_they_are_now(alice, make_product):
    product = make_product(terms="Be kind.")
    with pytest.raises(lifecycle.LifecycleError, match="terms"):
        lifecycle.subscribe(user=alice, product=product, display_name="Mine", accepted_terms="Be unkind.")
    subscription = lifecycle.subscribe(user=alice, product=product, display_name="Mine", accepted_terms="Be kind.")
    assert subscription.terms_accepted == "Be kind."


def test_an_open_product_takes_no_subscriptions(alice, make_product):
    with pytest.raises(lifecycle.LifecycleError, match="open"):
        lifecycle.subscribe(user=alice, product=make_product(subscription_required=False), display_name="Mine")


@pytest.mark.parametrize("name", ["", "x" * 101])
def test_a_name_has_bounds(alice, make_product, name):
    with pytest.raises(ValidationError):
        lifecycle.subscribe(user=alice, product=make_product(), display_name=name)
    assert not Subscription.objects.exists()


@pytest.mark.parametrize("start", list(State))
@pytest.mark.parametrize("to", list(State))
def test_only_listed_transitions_are_possible(alice, make_product, start, to):
    subscription = lifecycle.subscribe(user=alice, product=make_product(), display_name="Mine")
    Subscription.objects.filter(pk=subscription.pk).update(state=start)
    if to in lifecycle.TRANSITIONS[start]:
        assert lifecycle.change_state(subscription, to, by=alice).state == to
    else:
        with pytest.raises(lifecycle.WrongState):
            lifecycle.change_state(subscription, to, by=alice)
        subscription.refresh_from_db()
        assert subscription.state == start


def test_time_that_has_run_out_ends_a_subscription(alice, make_product):
    now = timezone.now()
    past = lifecycle.create(display_name="Past", by=None, product=make_product(), expires_at=now)
    future = lifecycle.create(display_name="Future", by=None, expires_at=now + timedelta(seconds=1))
    assert lifecycle.expire_due(now) == 1
    past.refresh_from_db()
    future.refresh_from_db()
    assert (past.state, past.ended_at, future.state) == (State.EXPIRED, now, State.ACTIVE)


def test_a_subscription_made_by_a_publisher_may_cover_all_apis_and_have_no_owner():
    subscription = lifecycle.create(display_name="Everything", by=None)
    assert (subscription.all_apis, subscription.owner, subscription.state) == (True, None, State.ACTIVE)


def test_new_dates_are_in_the_history(alice, admin_user):
    subscription = lifecycle.create(display_name="Hers", by=None, owner=alice)
    expiry = datetime(2030, 6, 1, 12, tzinfo=UTC)
    lifecycle.change_dates(subscription, expires_at=expiry, notice_at=None, by=admin_user)
    lifecycle.change_dates(subscription, expires_at=expiry, notice_at=None, by=admin_user)
    lifecycle.change_dates(subscription, expires_at=None, notice_at=None, by=admin_user)
    steps = subscription.events.filter(kind="dates")
    assert [(step.by, step.detail) for step in steps] == [(admin_user, "2030-06-01 12:00:00 UTC"), (admin_user, "")]


def test_the_history_has_a_new_date_in_utc_wherever_the_administrator_is(alice):
    subscription = lifecycle.create(display_name="Hers", by=None, owner=alice)
    expiry = datetime(2030, 6, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    lifecycle.change_dates(subscription, expires_at=expiry, notice_at=None, by=None)
    assert subscription.events.get(kind="dates").detail == "2030-06-01 10:00:00 UTC"


@pytest.mark.parametrize(
    ("expires_in", "notice_in"),
    [pytest.param(7, 7, id="at the expiry"), pytest.param(7, 8, id="after it"), pytest.param(None, 1, id="of none")],
)
def test_a_notice_date_lies_before_an_expiry_date(expires_in, notice_in):
    now = timezone.now()
    expires_at = now + timedelta(days=expires_in) if expires_in else None
    with pytest.raises(ValidationError, match="notice date"):
        lifecycle.create(display_name="All", by=None, expires_at=expires_at, notice_at=now + timedelta(days=notice_in))


def test_what_has_expired_cannot_be_extended_even_before_the_worker_has_seen_it():
    now = timezone.now()
    subscription = lifecycle.create(display_name="All", by=None, expires_at=now)
    with pytest.raises(lifecycle.LifecycleError, match="ended"):
        lifecycle.change_dates(subscription, expires_at=now + timedelta(days=1), notice_at=None, by=None, now=now)


def test_renaming_is_in_the_history_once(alice):
    subscription = lifecycle.create(display_name="Old", by=None, owner=alice)
    lifecycle.rename(subscription, "New", by=alice)
    lifecycle.rename(subscription, "New", by=alice)
    assert [step.detail for step in subscription.events.filter(kind="renamed")] == ["Old → New"]


def test_unused_ones_are_live_old_and_have_no_key_that_was_used_since(django_assert_num_queries):
    now = timezone.now()
    long_ago, lately = now - timedelta(days=91), now - timedelta(days=89)
    rows = {name: lifecycle.create(display_name=name, by=None) for name in ("never", "then", "lately", "new", "ended")}
    Subscription.objects.exclude(pk=rows["new"].pk).update(created_at=long_ago)
    rows["then"].keys.filter(slot="primary").update(last_used_at=long_ago)
    rows["lately"].keys.filter(slot="primary").update(last_used_at=long_ago)
    rows["lately"].keys.filter(slot="secondary").update(last_used_at=lately)
    lifecycle.change_state(rows["ended"], State.CANCELLED, by=None)
    with django_assert_num_queries(1):
        found = set(Subscription.objects.unused_since(now - timedelta(days=90)))
    assert found == {rows["never"], rows["then"]}


def test_the_documents_table_of_transitions_is_the_codes():
    text = (Path(__file__).parents[2] / "docs" / "subscriptions.md").read_text()
    rows = re.findall(r"^\| (\w+) \| ([\w, ]+) \|$", text, re.MULTILINE)
    told = {start: frozenset(ends.split(", ")) - {"none"} for start, ends in rows if start in State.values}
    assert told == {str(start): frozenset(map(str, ends)) for start, ends in lifecycle.TRANSITIONS.items()}
