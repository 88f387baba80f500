"""The revision's number goes up whenever the gateway's configuration changes, whoever writes it."""

import threading

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from apis.models import API, Operation
from backends.models import Backend, PoolMember
from policies.models import ProductPolicy
from publisher import triggers
from publisher.models import Revision
from service.models import Service
from subscriptions import keys
from subscriptions.lifecycle import State, change_state, create
from subscriptions.models import Product, Subscription, SubscriptionKey


def number():
    return Revision.objects.values_list("number", flat=True).first() or 0


def raw(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def number_after_commit():
    """The number as it would be if the test's transaction were committed, which takes PostgreSQL long to undo."""
    if connection.vendor == "postgresql":
        connection.check_constraints()
    return number()


CHANGES = {
    "a new API": lambda shop: API.objects.create(name="b", display_name="B", path="b", service_url="http://b"),
    "a saved API": lambda shop: _save(shop.api, path="other"),
    "a bulk update of APIs": lambda shop: API.objects.update(service_url="http://c"),
    "raw SQL": lambda shop: raw("UPDATE apis_api SET key_header_name = %s", "X-Key"),
    "raw SQL that deletes": lambda shop: raw("DELETE FROM subscriptions_product_apis"),
    "operations in bulk": lambda shop: Operation.objects.bulk_create(
        [Operation(api=shop.api, name="z", display_name="Z", method="PUT", url_template="/z")]
    ),
    "a deleted operation": lambda shop: shop.operation.delete(),
    "a changed template": lambda shop: _save(shop.operation, url_template="/other"),
    "a new backend": lambda shop: Backend.objects.create(name="b", title="B", url="http://b"),
    "an API's origins": lambda shop: API.objects.update(allowed_origins="*"),
    "tracing of a subscription": lambda shop: Subscription.objects.update(allow_tracing=True),
    "a renamed product": lambda shop: _save(shop.product, name="renamed"),
    "an opened product": lambda shop: _save(shop.product, subscription_required=False),
    "an API that leaves a product": lambda shop: shop.product.apis.remove(shop.api),
    "a new policy": lambda shop: ProductPolicy.objects.create(product=shop.product, document="<policies/>"),
    "a suspended subscription": lambda shop: change_state(shop.subscription, State.SUSPENDED, by=None),
    "a new subscription": lambda shop: create(display_name="All", by=None),
    "an expiry": lambda shop: Subscription.objects.update(expires_at=timezone.now()),
    "another owner": lambda shop: Subscription.objects.update(owner=None),
    "a new key": lambda shop: keys.regenerate(shop.subscription, SubscriptionKey.Slot.PRIMARY),
    "a blocked user": lambda shop: User.objects.update(state=User.State.BLOCKED),
    "another service name": lambda shop: Service.objects.update(name="other"),
}


def _save(row, **values):
    for name, value in values.items():
        setattr(row, name, value)
    row.save()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_raises_the_number(shop, change):
    before = number_after_commit()
    change(shop)
    assert number_after_commit() > before


BACKEND_CHANGES = {
    "new credentials": lambda pool, member: Backend.objects.filter(pk=member.pk).update(sealed="x"),
    "a circuit breaker": lambda pool, member: Backend.objects.update(breaker_failures=3),
    "a new member of a pool": lambda pool, member: PoolMember.objects.create(pool=pool, backend=member),
    "an API that gets a backend": lambda pool, member: API.objects.update(backend=pool),
    "a deleted backend": lambda pool, member: member.delete(),
}


@pytest.mark.parametrize("change", BACKEND_CHANGES.values(), ids=BACKEND_CHANGES.keys())
def test_a_change_of_a_backend_raises_the_number(shop, change):
    pool = Backend.objects.create(name="pool", title="Pool", type="Pool")
    member = Backend.objects.create(name="a", title="A", url="http://a")
    before = number_after_commit()
    change(pool, member)
    assert number_after_commit() > before


IDLE = {
    "signing in": lambda shop: User.objects.update(last_login=timezone.now()),
    "signing up": lambda shop: User.objects.create_user("bob@example.org", "correct horse battery"),
    "a backend's title": lambda shop: Backend.objects.update(title="Other"),
    "a description": lambda shop: _save(shop.api, description="New"),
    "a new name": lambda shop: Subscription.objects.update(display_name="Other"),
    "a published product": lambda shop: _save(shop.product, state=Product.State.NOT_PUBLISHED),
    "saving without a change": lambda shop: shop.operation.save(),
    "an update of no rows": lambda shop: Subscription.objects.none().update(state="expired"),
}


@pytest.mark.parametrize("change", IDLE.values(), ids=IDLE.keys())
def test_what_the_gateway_does_not_know_leaves_the_number(shop, change):
    before = number_after_commit()
    change(shop)
    assert number_after_commit() == before


def test_a_change_that_is_rolled_back_leaves_the_number(committed_shop):
    before = number()
    _change_and_roll_back()
    assert number() == before


def _change_and_roll_back():
    with transaction.atomic():
        API.objects.update(path="x")
        transaction.set_rollback(True)


def test_a_change_after_one_that_was_rolled_back_raises_the_number(committed_shop):
    before = number()
    with transaction.atomic():
        _change_and_roll_back()
        API.objects.update(path="y")
    assert number() > before


def test_a_lost_row_comes_back(committed_shop):
    Revision.objects.all().delete()
    API.objects.update(path="x")
    assert number() == 1


def test_installing_again_changes_nothing_but_raises_the_number(committed_shop):
    before = number()
    triggers.install(connection)
    triggers.install(connection)
    assert number() == before + 2
    API.objects.update(path="x")
    assert number() == before + 3


def test_a_rebuilt_table_gets_its_triggers_back_after_migrate(committed_shop):
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite rebuilds tables")
    with connection.schema_editor() as editor:
        editor._remake_table(API)
    before = number()
    API.objects.update(path="x")
    assert number() == before
    triggers.install_after_migrate(using="default")
    API.objects.update(path="y")
    assert number() == before + 2


@pytest.mark.postgresql
@pytest.mark.skipif("connection.vendor != 'postgresql'")
class TestPostgreSQL:
    def test_one_transaction_raises_the_number_once(self, committed_shop):
        before = number()
        with transaction.atomic():
            for path in "abc":
                API.objects.update(path=path)
                Subscription.objects.update(expires_at=timezone.now())
            assert number() == before
        assert number() == before + 1

    def test_truncate_raises_the_number(self, committed_shop):
        before = number()
        raw("TRUNCATE policies_productpolicy")
        assert number() == before + 1

    def test_nothing_is_left_pending(self, committed_shop):
        API.objects.update(path="x")
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM gateway_revision_pending")
            assert cursor.fetchone() == (0,)

    def test_writers_hold_up_nobody_before_they_commit(self, committed_shop):
        """A second writer commits while the first one is still at it, without a deadlock."""
        before = number()
        done = threading.Thread(target=_in_another_connection, args=(lambda: Service.objects.update(name="b"),))
        with transaction.atomic():
            API.objects.update(path="x")
            done.start()
            done.join(timeout=60)
            assert not done.is_alive()
            Operation.objects.update(method="PUT")
        assert number() == before + 2

    def test_many_writers_at_once_do_not_deadlock(self, committed_shop):
        products = [Product.objects.create(name=f"p{index}", display_name="P") for index in range(4)]
        failures = []

        def write(own, others):
            try:
                for other in others:
                    with transaction.atomic():
                        # Past the lifecycle, whose locks of products would wait for each other.
                        Subscription.objects.create(display_name="S", product=own)
                        own.apis.add(committed_shop.api)
                        Subscription.objects.create(display_name="S", product=other)
            except Exception as error:
                failures.append(error)

        threads = [
            threading.Thread(target=_in_another_connection, args=(write, product, products * 3)) for product in products
        ]
        before = number()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert number() == before + 4 * 12


def _in_another_connection(write, *arguments):
    try:
        write(*arguments)
    finally:
        connection.close()
