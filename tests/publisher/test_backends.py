"""From rows of backends to the snapshot."""

import logging

import pytest
from django.conf import settings

from apis.models import API
from backends.credentials import put_credentials
from backends.models import Backend, PoolMember
from gateway.catalogue.admission import Admitted, admit
from gateway.configuration import key_digest, sealed
from gateway.configuration.snapshot import Backend as PublishedBackend
from gateway.configuration.snapshot import Breaker, Credentials, Member, Retry
from publisher.compile import read_snapshot
from subscriptions import keys
from tests.gateway.snapshots import compiled

CREDENTIALS = Credentials(headers=(("X-Key", "s3cret"),))


def make_backend(name: str, **fields) -> Backend:
    return Backend.objects.create(name=name, title=name, **{"url": "http://127.0.0.1:9001"} | fields)


def make_pool(name: str, *members: Backend, **fields) -> Backend:
    pool = Backend.objects.create(name=name, title=name, type="Pool", **fields)
    for backend in members:
        PoolMember.objects.create(pool=pool, backend=backend)
    return pool


@pytest.fixture
def errors(caplog):
    with caplog.at_level(logging.ERROR):
        yield caplog


def test_a_plain_backend_leaves_all_to_the_gateways_settings(shop):
    backend = make_backend("a")
    assert read_snapshot().backends == (PublishedBackend(id=backend.pk, name="a", url="http://127.0.0.1:9001"),)


def test_all_of_a_backend_is_carried(shop):
    backend = make_backend(
        "a",
        url="https://b.example.org/v1",
        verify_chain=False,
        verify_name=False,
        connect_seconds=0.5,
        read_seconds=7.0,
        idle_connections=0,
        max_connections=9,
        breaker_failures=3,
        breaker_interval_seconds=10,
        breaker_trip_seconds=20,
        breaker_statuses="429, 500-502",
        breaker_counts_errors=False,
        breaker_accepts_retry_after=True,
        retry_count=2,
        retry_interval_seconds=0.25,
        retry_statuses="503, 502-503",
    )
    put_credentials(backend, CREDENTIALS)
    backend.save()
    (published,) = read_snapshot().backends
    assert sealed.unseal(published.sealed, sealed.cipher(settings.KEY_ENCRYPTION_KEY)) == CREDENTIALS
    assert published == PublishedBackend(
        id=backend.pk,
        name="a",
        url="https://b.example.org/v1",
        sealed=published.sealed,
        verify_chain=False,
        verify_name=False,
        connect_seconds=0.5,
        read_seconds=7.0,
        idle_connections=0,
        max_connections=9,
        breaker=Breaker(3, 10, 20, ((429, 429), (500, 502)), False, True),
        retry=Retry(2, 0.25, (502, 503)),
    )


def test_a_pool_has_its_members_and_nothing_else(shop):
    first, second = make_backend("a"), make_backend("b")
    pool = make_pool("p", first, second)
    PoolMember.objects.filter(backend=second).update(priority=2, weight=5)
    API.objects.update(backend=pool)
    snapshot = read_snapshot()
    members = (Member(first.pk), Member(second.pk, priority=2, weight=5))
    assert snapshot.backends[2] == PublishedBackend(id=pool.pk, name="p", members=members)
    assert snapshot.apis[0].backend == pool.pk


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"url": "http://[::1"}, id="URL"),
        pytest.param({"sealed": "s3cret"}, id="no token"),
        pytest.param(
            {"sealed": sealed.seal(CREDENTIALS, sealed.cipher("another key" * 4)).decode()}, id="token of another key"
        ),
        pytest.param({"ca_pem": "s3cret"}, id="authorities"),
        pytest.param({"breaker_failures": 1, "breaker_statuses": "all"}, id="statuses of the breaker"),
        pytest.param({"retry_count": 1, "retry_statuses": "9999"}, id="statuses of retries"),
    ],
)
def test_a_backend_that_cannot_be_served_is_left_out_and_holds_up_no_other(shop, errors, broken):
    bad, good = make_backend("bad", **broken), make_backend("good")
    make_pool("p", bad, good)
    API.objects.update(backend=bad)
    snapshot = read_snapshot()
    assert [one.name for one in snapshot.backends] == ["good", "p"]
    assert snapshot.backends[1].members == (Member(good.pk),)
    assert [api.backend for api in snapshot.apis] == [bad.pk], "its calls are refused, not sent elsewhere"
    assert f"backend_left_out backend={bad.pk}" in errors.text
    assert "s3cret" not in errors.text
    assert errors.text.count("left_out") == 1


def test_a_pool_without_a_member_that_can_be_served_is_left_out(shop, errors):
    inner = make_pool("inner", make_backend("a"))
    make_pool("empty")
    make_pool("nested", inner)
    assert [one.name for one in read_snapshot().backends] == ["a", "inner"]
    assert errors.text.count("none of its members can be served") == 2


def test_an_api_needs_no_service_url_beside_its_backend(shop):
    API.objects.update(backend=make_backend("a"), service_url="")
    assert len(read_snapshot().apis) == 1


def test_backends_cost_no_query_each(shop, django_assert_num_queries):
    for number in range(10):
        make_pool(f"p{number}", make_backend(f"b{number}"))
    with django_assert_num_queries(11):
        read_snapshot()


def test_the_gateway_serves_what_is_published(shop):
    backend = make_backend("a", url="wss://b.example.org/v1")
    put_credentials(backend, CREDENTIALS)
    backend.save()
    API.objects.update(backend=make_pool("p", backend), service_url="")
    assert isinstance(admitted_by_the_gateway(shop), Admitted)


def test_the_gateway_refuses_calls_of_an_api_whose_backend_is_left_out(shop):
    API.objects.update(backend=make_backend("a", sealed="x"))
    refused = admitted_by_the_gateway(shop)
    assert (refused.status, refused.reason) == (500, "BackendMissing")


def admitted_by_the_gateway(shop):
    cipher = sealed.cipher(settings.KEY_ENCRYPTION_KEY)
    secret = key_digest.digest_secret(settings.KEY_ENCRYPTION_KEY)
    catalogue = compiled(read_snapshot(), secret, cipher)
    headers = [(b"ocp-apim-subscription-key", keys.reveal(shop.subscription, keys.Slot.PRIMARY).encode())]
    return admit(catalogue, b"GET", b"/echo/q", headers, b"http", b"gw", 0.0)
