"""From rows to the snapshot."""

import logging
from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import User
from apis.models import API, Operation
from gateway.catalogue.admission import Admitted, admit
from gateway.configuration import key_digest
from gateway.configuration.snapshot import API as PublishedAPI
from gateway.configuration.snapshot import InnerRateLimit, Quota, RateLimit
from gateway.configuration.snapshot import Operation as PublishedOperation
from policies.models import ProductPolicy
from publisher.compile import read_snapshot
from subscriptions import keys, offering
from subscriptions.lifecycle import State, change_state, create
from subscriptions.models import Product, Subscription, SubscriptionKey
from tests.gateway.snapshots import compiled

SECRET = key_digest.digest_secret(settings.KEY_ENCRYPTION_KEY)


def test_an_empty_database_gives_an_empty_snapshot(db):
    snapshot = read_snapshot()
    assert (snapshot.service_name, snapshot.apis, snapshot.products, snapshot.subscriptions) == ("", (), (), ())


def test_rows_become_the_snapshot(shop, settings):
    settings.GATEWAY_URL = "https://{service}.example.org"
    snapshot = read_snapshot()
    assert (snapshot.service_name, snapshot.gateway_url) == ("demo", "https://demo.example.org")
    assert snapshot.apis == (
        PublishedAPI(
            id=shop.api.pk,
            path="echo",
            service_url="http://127.0.0.1:9000",
            schemes=("http", "https"),
            subscription_required=True,
            key_header_name="Ocp-Apim-Subscription-Key",
            key_query_name="subscription-key",
            open_product=None,
            operations=(PublishedOperation(shop.operation.pk, "GET", "/q"),),
            cors_origins=("http://127.0.0.1:8000",),
        ),
    )
    (product,) = snapshot.products
    assert (product.id, product.apis) == (shop.product.pk, (shop.api.pk,))
    (subscription,) = snapshot.subscriptions
    assert (subscription.id, subscription.owner) == (shop.subscription.pk.bytes, shop.alice.pk)
    assert (subscription.product, subscription.api, subscription.is_active) == (shop.product.pk, None, True)


@pytest.mark.parametrize("slot", SubscriptionKey.Slot)
def test_the_gateway_admits_both_keys_of_a_subscription(shop, slot):
    catalogue = compiled(read_snapshot(), SECRET)
    key = keys.reveal(shop.subscription, slot).encode()
    headers = [(b"ocp-apim-subscription-key", key)]
    admitted = admit(catalogue, b"GET", b"/echo/q", headers, b"http", b"gw", 0.0)
    assert isinstance(admitted, Admitted)
    assert admitted.product == shop.product.pk


@pytest.mark.parametrize(("seconds", "allowed"), [(3599, True), (3600, False)])
def test_the_gateway_admits_a_key_that_was_replaced_until_its_end(shop, seconds, allowed):
    old, now = keys.reveal(shop.subscription, keys.Slot.PRIMARY).encode(), timezone.now()
    keys.regenerate(shop.subscription, keys.Slot.PRIMARY, overlap=keys.Overlap.HOUR, now=now)
    catalogue = compiled(read_snapshot(), SECRET)
    headers = [(b"ocp-apim-subscription-key", old)]
    admitted = admit(catalogue, b"GET", b"/echo/q", headers, b"http", b"gw", now.timestamp() + seconds)
    assert isinstance(admitted, Admitted) is allowed


def test_the_snapshot_costs_eleven_queries_at_any_size(shop, django_assert_num_queries):
    for _ in range(20):
        create(display_name="All", by=None)
    with django_assert_num_queries(11):
        read_snapshot()


@pytest.mark.parametrize("state", [state for state in State if state != State.ACTIVE])
def test_only_an_active_subscription_is_active(shop, state):
    Subscription.objects.update(state=state)
    assert [one.is_active for one in read_snapshot().subscriptions] == [False]


@pytest.mark.parametrize("state", [state for state in User.State if state != User.State.ACTIVE])
def test_subscriptions_of_a_user_who_is_not_active_are_not_active(shop, state):
    create(display_name="Nobody's", by=None)
    User.objects.update(state=state)
    active = {one.owner: one.is_active for one in read_snapshot().subscriptions}
    assert active == {shop.alice.pk: False, None: True}


def test_a_subscription_carries_its_expiry(shop):
    Subscription.objects.update(expires_at=datetime(2030, 1, 1, tzinfo=UTC))
    assert read_snapshot().subscriptions[0].expires_at == 1_893_456_000.0


def test_scopes_are_kept_apart(shop):
    create(display_name="One", by=None, api=shop.api)
    create(display_name="All", by=None)
    scopes = {(one.product, one.api) for one in read_snapshot().subscriptions}
    assert scopes == {(shop.product.pk, None), (None, shop.api.pk), (None, None)}


def test_a_suspended_subscription_keeps_its_keys_in_the_snapshot(shop):
    change_state(shop.subscription, State.SUSPENDED, by=None)
    assert len(read_snapshot().subscriptions[0].keys) == 2


def test_the_oldest_open_product_opens_an_api_published_or_not(shop):
    for name in ("open", "open-too"):
        Product.objects.create(name=name, display_name=name, subscription_required=False).apis.add(shop.api)
    assert read_snapshot().apis[0].open_product == Product.objects.get(name="open").pk


def test_a_policy_gives_its_limits(shop):
    inbound = '<inbound><rate-limit calls="5" renewal-period="60"/><quota calls="9" renewal-period="0"/></inbound>'
    ProductPolicy.objects.create(product=shop.product, document=f"<policies>{inbound}</policies>")
    (product,) = read_snapshot().products
    assert (product.rate_limit, product.quota) == (RateLimit(5, 60), Quota(9, 0))


def test_a_policy_names_the_apis_and_operations_of_its_product(shop, caplog):
    stranger = API.objects.create(name="stranger", display_name="Stranger", path="stranger", service_url="http://b/")
    operation = shop.api.operations.get()
    inbound = (
        f'<rate-limit calls="5" renewal-period="60"><api id="{shop.api.name}" calls="2">'
        f'<operation name="{operation.display_name}" calls="1" renewal-period="10" /></api>'
        f'<api id="{stranger.name}" calls="1" /></rate-limit>'
    )
    document = f"<policies><inbound>{inbound}</inbound></policies>"
    ProductPolicy.objects.create(product=shop.product, document=document)
    with caplog.at_level(logging.ERROR):
        (product,) = read_snapshot().products
    inner = (InnerRateLimit(shop.api.pk, None, 2, 60), InnerRateLimit(shop.api.pk, operation.pk, 1, 10))
    assert product.rate_limit == RateLimit(5, 60, inner=inner)
    assert "limit_left_out" in caplog.text
    assert "No API of the product has the id 'stranger' (line 1, column " in caplog.text


def test_a_product_keeps_its_name_for_metrics_whether_its_policy_is_good_or_not(shop):
    Product.objects.create(name="other", display_name="Other")
    ProductPolicy.objects.create(product=shop.product, document="<policies><inbound>")
    assert {product.name for product in read_snapshot().products} == {shop.product.name, "other"}


def test_a_broken_policy_makes_its_product_refuse_and_holds_up_no_other(shop, caplog):
    ProductPolicy.objects.create(product=shop.product, document="<policies><inbound>")
    Product.objects.create(name="other", display_name="Other")
    with caplog.at_level(logging.ERROR):
        products = {product.id: product.policy_is_broken for product in read_snapshot().products}
    assert products == {shop.product.pk: True, Product.objects.get(name="other").pk: False}
    assert "product_refuses_calls" in caplog.text


@pytest.mark.parametrize(
    "fields",
    [{"url_template": "no slash"}, {"url_template": "/Q"}, {"url_template": "/{a}/{a}"}],
    ids=["malformed", "matches the same calls as an older one", "a parameter twice"],
)
def test_an_operation_that_cannot_be_served_is_left_out(shop, caplog, fields):
    Operation.objects.create(api=shop.api, name="bad", display_name="Bad", method="GET", **fields)
    with caplog.at_level(logging.ERROR):
        snapshot = read_snapshot()
    assert [one.id for one in snapshot.apis[0].operations] == [shop.operation.pk]
    assert "operation_left_out" in caplog.text
    compiled(snapshot, SECRET)


def test_an_api_whose_service_url_is_broken_is_left_out(shop, caplog):
    API.objects.create(name="bad", display_name="Bad", path="bad", service_url="http://[::1")
    with caplog.at_level(logging.ERROR):
        snapshot = read_snapshot()
    assert [one.id for one in snapshot.apis] == [shop.api.pk]
    assert "api_left_out" in caplog.text


def test_settings_of_an_api_are_carried(shop):
    API.objects.update(
        allowed_origins="https://app.example.org\n*", request_body_limit_bytes=0, backend_timeout_seconds=2.5
    )
    (api,) = read_snapshot().apis
    assert api.cors_origins == ("http://127.0.0.1:8000", "https://app.example.org", "*")
    assert (api.request_body_limit_bytes, api.backend_seconds) == (0, 2.5)


def test_pages_of_the_portal_may_be_kept_from_calling(shop, settings):
    settings.PORTAL_URL = "https://Portal.example.org:443/here"
    assert read_snapshot().apis[0].cors_origins == ("https://portal.example.org",)
    API.objects.update(allow_portal_origin=False)
    assert read_snapshot().apis[0].cors_origins == ()


def test_origins_that_cannot_be_read_do_not_hold_up_their_api(shop, caplog):
    API.objects.update(allowed_origins="nonsense")
    with caplog.at_level(logging.ERROR):
        assert read_snapshot().apis[0].cors_origins == ("http://127.0.0.1:8000",)
    assert "origins_left_out" in caplog.text


def test_a_subscription_may_allow_tracing(shop):
    assert not read_snapshot().subscriptions[0].allow_tracing
    Subscription.objects.update(allow_tracing=True)
    assert read_snapshot().subscriptions[0].allow_tracing


def test_unpublishing_a_product_changes_nothing_for_its_keys(shop):
    before = read_snapshot()
    Product.objects.update(state="notPublished")
    assert read_snapshot() == before


def test_a_deleted_product_and_its_keys_open_nothing(shop):
    offering.delete_product(shop.product, by=None, cancel_subscriptions=True)
    snapshot = read_snapshot()
    assert snapshot.products == ()
    assert [subscription.is_active for subscription in snapshot.subscriptions] == [False]
