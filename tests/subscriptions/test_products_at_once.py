"""Two requests about one product at the same moment: each rule holds all the same (PostgreSQL)."""

import pytest
from django.db import transaction

from accounts.closing import close
from apis.models import API
from subscriptions import lifecycle, offering
from subscriptions.models import Product, Subscription
from tests.subscriptions.parallel import ON_POSTGRESQL, at_once

pytestmark = ON_POSTGRESQL


@pytest.fixture
def product() -> Product:
    return Product.objects.create(name="gold", display_name="Gold", state="published", subscriptions_limit=2)


def test_no_more_subscriptions_than_the_limit(alice, product):
    def subscribe() -> Subscription:
        return lifecycle.subscribe(user=alice, product=product, display_name="Mine")

    assert at_once(*[subscribe] * 6) == ["SubscriptionsLimitReached"] * 4 + ["done"] * 2
    assert alice.subscriptions.filter(state="active").count() == 2


def test_nobody_subscribes_to_a_product_while_it_is_deleted(alice, product, admin_user):
    lifecycle.subscribe(user=admin_user, product=product, display_name="First")
    outcomes = at_once(
        lambda: lifecycle.subscribe(user=alice, product=product, display_name="Mine"),
        lambda: offering.delete_product(product, by=admin_user, cancel_subscriptions=True),
    )
    assert outcomes in (["done", "done"], ["LifecycleError", "done"])
    assert Product.with_deleted.get().deleted_at is not None
    assert not Subscription.objects.exclude(state="cancelled").exists()


def test_two_products_with_one_api_are_not_both_opened(product):
    api = API.objects.create(name="echo", display_name="Echo", path="echo", service_url="http://b")
    other = Product.objects.create(name="silver", display_name="Silver")
    for one in (product, other):
        one.apis.add(api)

    def open_up(one: Product) -> None:
        with transaction.atomic():
            offering.refuse_second_open_product([api], besides=one)
            Product.objects.filter(pk=one.pk).update(subscription_required=False)

    assert at_once(lambda: open_up(product), lambda: open_up(other)) == ["ValidationError", "done"]
    assert Product.objects.filter(subscription_required=False).count() == 1


def test_an_administrator_gives_nobody_a_product_while_it_is_deleted(alice, product, admin_user):
    lifecycle.subscribe(user=admin_user, product=product, display_name="First")
    outcomes = at_once(
        lambda: lifecycle.create(display_name="Given", by=admin_user, owner=alice, product=product),
        lambda: offering.delete_product(product, by=admin_user, cancel_subscriptions=True),
    )
    assert outcomes in (["done", "done"], ["LifecycleError", "done"])
    assert not Subscription.objects.live().exists()


def test_nobody_subscribes_while_the_account_is_closed(alice, product, admin_user):
    outcomes = at_once(
        lambda: lifecycle.subscribe(user=alice, product=product, display_name="Mine"),
        lambda: close(alice, by=admin_user),
    )
    assert outcomes in (["done", "done"], ["LifecycleError", "done"])
    assert not Subscription.objects.live().exists()
