"""Rules that hold where requests meet."""

import threading
from collections.abc import Callable

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from apis.models import API
from subscriptions import lifecycle, offering
from subscriptions.models import Product, Subscription

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.skipif("connection.vendor != 'postgresql'"),
    pytest.mark.django_db(transaction=True),
]


def at_once(*actions: Callable[[], object]) -> list[Exception]:
    """Run all in connections of their own, from one moment on; returns what they raised."""
    start = threading.Barrier(len(actions))
    raised: list[Exception] = []

    def run(action: Callable[[], object]) -> None:
        try:
            start.wait(10)
            action()
        except Exception as error:
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[action]) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return raised


@pytest.fixture
def product() -> Product:
    return Product.objects.create(name="gold", display_name="Gold", state="published", subscriptions_limit=2)


def test_no_more_subscriptions_than_the_limit(alice, product):
    def subscribe() -> Subscription:
        return lifecycle.subscribe(user=alice, product=product, display_name="Mine")

    raised = at_once(*[subscribe] * 6)
    assert [type(error) for error in raised] == [lifecycle.SubscriptionsLimitReached] * 4
    assert alice.subscriptions.filter(state="active").count() == 2


def test_nobody_subscribes_to_a_product_while_it_is_deleted(alice, product, admin_user):
    lifecycle.subscribe(user=admin_user, product=product, display_name="First")
    raised = at_once(
        lambda: lifecycle.subscribe(user=alice, product=product, display_name="Mine"),
        lambda: offering.delete_product(product, by=admin_user, cancel_subscriptions=True),
    )
    assert all(isinstance(error, lifecycle.LifecycleError) for error in raised)
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

    raised = at_once(lambda: open_up(product), lambda: open_up(other))
    assert [type(error) for error in raised] == [ValidationError]
    assert Product.objects.filter(subscription_required=False).count() == 1
