"""Deleting a product: what is live ends first, what was subscribed to stays for history."""

import pytest
from django.utils import translation

from accounts.models import Group, User
from apis.models import API
from events import names
from events.models import Event
from service.models import Service
from subscriptions import lifecycle, offering
from subscriptions.models import Product, Subscription
from subscriptions.products import visible_apis


@pytest.fixture
def product(db) -> Product:
    product = Product.objects.create(name="gold", display_name="Gold", state=Product.State.PUBLISHED)
    product.apis.add(API.objects.create(name="echo", display_name="Echo", path="echo", service_url="http://b"))
    product.groups.set(Group.objects.all())
    return product


@pytest.fixture
def mine(alice, product) -> Subscription:
    return lifecycle.subscribe(user=alice, product=product, display_name="Mine")


def test_a_product_that_nobody_subscribed_to_is_gone(product, admin_user):
    offering.delete_product(product, by=admin_user)
    assert not Product.with_deleted.exists()


def test_one_with_live_subscriptions_is_refused_and_says_how_many(product, mine, bob, admin_user):
    theirs = lifecycle.subscribe(user=bob, product=product, display_name="Theirs")
    lifecycle.change_state(theirs, Subscription.State.SUSPENDED, by=admin_user)
    with pytest.raises(offering.HasLiveSubscriptions) as refused:
        offering.delete_product(product, by=admin_user)
    assert refused.value.counts == {"active": 1, "suspended": 1}
    mine.refresh_from_db()
    assert (mine.state, Product.objects.count()) == ("active", 1)


def test_its_live_subscriptions_are_cancelled_with_history_and_an_event(product, mine, admin_user):
    offering.delete_product(product, by=admin_user, cancel_subscriptions=True)
    mine.refresh_from_db()
    last = mine.events.last()
    assert (mine.state, last.state, last.by) == ("cancelled", "cancelled", admin_user)
    assert last.reason == "The product Gold is not offered any more."
    told = Event.objects.get(name=names.SUBSCRIPTION_CANCELLED)
    assert told.data["subscription"] == str(mine.pk)


def test_page_says_in_the_readers_language_that_the_product_is_gone(product, mine, alice, admin_user, signed_in):
    Service.objects.create(name="demo", organization_name="Contoso", administrator_email="admin@example.org")
    with translation.override("hu"):
        offering.delete_product(product, by=admin_user, cancel_subscriptions=True)
    User.objects.filter(pk=alice.pk).update(language="de")
    page = signed_in(alice).get(f"/profile/subscriptions/{mine.pk}/").text
    # In the notice and in the history.
    assert page.count("Das Produkt Gold wird nicht mehr angeboten.") == 2
    User.objects.filter(pk=admin_user.pk).update(language="en")
    page = signed_in(admin_user).get(f"/admin/subscriptions/subscription/{mine.pk}/change/").text
    assert page.count("The product Gold is not offered any more.") == 2


def test_subscriptions_that_have_ended_before_stay_as_they_are(product, mine, alice, admin_user):
    lifecycle.change_state(mine, Subscription.State.CANCELLED, by=alice)
    offering.delete_product(product, by=admin_user)
    mine.refresh_from_db()
    assert (mine.events.count(), mine.reason) == (2, "")
    assert Product.with_deleted.get().deleted_at is not None


def test_a_deleted_product_opens_and_shows_nothing_but_has_its_name_in_history(product, mine, alice, admin_user):
    offering.delete_product(product, by=admin_user, cancel_subscriptions=True)
    assert not Product.objects.exists()
    assert not visible_apis(admin_user).exists()
    assert API.objects.get().products.count() == 0
    assert Subscription.objects.get().scope_name == "Gold (deleted)"


def test_its_name_is_free_again(product, mine, admin_user):
    offering.delete_product(product, by=admin_user, cancel_subscriptions=True)
    again = Product(name="GOLD", display_name="Gold")
    again.full_clean()
    again.save()
    assert Product.objects.get() == again


def test_who_still_has_its_page_open_cannot_subscribe(product, mine, bob, admin_user):
    offering.delete_product(product, by=admin_user, cancel_subscriptions=True)
    with pytest.raises(lifecycle.LifecycleError, match="Gold is not offered any more"):
        lifecycle.subscribe(user=bob, product=product, display_name="Late")
