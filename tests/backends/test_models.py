"""What the database keeps from ever being."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from apis.models import API
from backends.models import Backend, PoolMember

pytestmark = pytest.mark.django_db


def refused(make) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        make()


@pytest.fixture
def backend():
    return Backend.objects.create(name="a", title="A", url="http://a")


@pytest.fixture
def pool():
    return Backend.objects.create(name="p", title="P", type="Pool")


@pytest.mark.parametrize(
    "fields",
    [
        {"url": ""},
        {"type": "Pool"},
        {"type": "Pool", "url": "", "sealed": "x"},
        {"type": "Other"},
        {"connect_seconds": 0},
        {"read_seconds": 241},
        {"max_connections": 0},
        {"breaker_failures": 0},
        {"breaker_interval_seconds": 0},
        {"breaker_trip_seconds": 0},
        {"retry_count": 11},
        {"retry_interval_seconds": -1},
        {"retry_interval_seconds": 61},
        {"name": "A"},
    ],
    ids=str,
)
def test_a_backend_that_makes_no_sense_is_refused(backend, fields):
    refused(lambda: Backend.objects.create(**{"name": "b", "title": "B", "url": "http://b"} | fields))


@pytest.mark.parametrize("fields", [{"priority": 0}, {"weight": 0}, {"priority": 101}, {"weight": 101}], ids=str)
def test_a_member_is_numbered_from_1_to_100(backend, pool, fields):
    refused(lambda: PoolMember.objects.create(pool=pool, backend=backend, **fields))


def test_a_pool_has_a_backend_once_and_never_itself(backend, pool):
    PoolMember.objects.create(pool=pool, backend=backend)
    refused(lambda: PoolMember.objects.create(pool=pool, backend=backend))
    refused(lambda: PoolMember.objects.create(pool=pool, backend=pool))


def test_a_pool_is_in_no_pool(backend, pool):
    other = Backend.objects.create(name="q", title="Q", type="Pool")
    with pytest.raises(ValidationError, match="cannot be in a pool"):
        PoolMember(pool=other, backend=pool).clean()
    with pytest.raises(ValidationError, match="Only a pool"):
        PoolMember(pool=backend, backend=backend).clean()


def test_a_backend_in_use_is_not_deleted(backend, pool):
    PoolMember.objects.create(pool=pool, backend=backend)
    API.objects.create(name="api", display_name="API", backend=pool)
    for used in (backend, pool):
        with pytest.raises(ProtectedError):
            used.delete()


def test_an_api_has_a_url_or_a_backend(backend):
    API.objects.create(name="a", display_name="A", path="a", backend=backend)
    refused(lambda: API.objects.create(name="b", display_name="B", path="b"))
    refused(lambda: API.objects.update(backend=None))
    refused(lambda: API.objects.update(backend_timeout_seconds=0))
