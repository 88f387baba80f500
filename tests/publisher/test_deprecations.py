"""What the gateway is told of deprecated APIs and operations."""

from datetime import UTC, datetime

import pytest

from apis.models import API
from gateway.configuration.snapshot import Deprecation
from publisher.compile import read_snapshot

NEW_YEAR, SPRING, SUMMER = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 3, 7))


@pytest.fixture
def successor(shop):
    return API.objects.create(name="two", display_name="Two", path="echo/v2", service_url="http://b")


def mark(row, **fields):
    for name, value in fields.items():
        setattr(row, name, value)
    row.full_clean()
    row.save()


def published(shop):
    return next(api for api in read_snapshot().apis if api.id == shop.api.pk)


@pytest.mark.parametrize(
    ("gateway_url", "address"),
    [
        ("http://{service}.example.org/apis/", "http://demo.example.org/apis/echo/v2"),
        ("https://api.example.org:8443", "https://api.example.org:8443/echo/v2"),
        ("https://[::1]:8443", "https://[::1]:8443/echo/v2"),
        # RFC 3986 3.2.2: no other form of a name can stand in a field.
        ("https://äpi.example.org", "https://%C3%A4pi.example.org/echo/v2"),
    ],
)
def test_a_deprecated_api_is_told_with_its_links(shop, successor, settings, gateway_url, address):
    settings.GATEWAY_URL = gateway_url
    API.objects.filter(pk=successor.pk).update(scheme="both")
    mark(
        shop.api,
        deprecated_at=NEW_YEAR,
        sunset_at=SUMMER,
        successor=successor,
        migration_url="https://www.test/ü?a=<b>",
    )
    assert published(shop).deprecation == Deprecation(
        int(NEW_YEAR.timestamp()), int(SUMMER.timestamp()), address, "https://www.test/%C3%BC?a=%3Cb%3E"
    )
    assert published(shop).operations[0].deprecation is None


def test_a_successor_is_named_by_a_scheme_that_it_takes(shop, successor, settings):
    settings.GATEWAY_URL = "http://api.example.org"
    mark(shop.api, deprecated_at=NEW_YEAR, successor=successor)
    assert published(shop).deprecation.successor_url == "https://api.example.org/echo/v2"


def test_a_deprecated_operation_of_a_deprecated_api_ends_when_the_first_of_them_does(shop, successor):
    mark(shop.api, deprecated_at=SPRING, sunset_at=SPRING, migration_url="https://www.test/api")
    mark(shop.operation, deprecated_at=NEW_YEAR, sunset_at=SUMMER, successor=successor)
    told = published(shop).operations[0].deprecation
    assert (told.since, told.sunset) == (int(NEW_YEAR.timestamp()), int(SPRING.timestamp()))
    assert told.migration_url == "https://www.test/api"
    assert told.successor_url.endswith("/echo/v2")


def test_what_is_not_deprecated_is_told_as_before(shop):
    assert published(shop).deprecation is None
    assert published(shop).operations[0].deprecation is None
