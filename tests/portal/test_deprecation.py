"""What readers of the portal are told of deprecated APIs and operations."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from apis.models import API, Operation

PAGES = ["/apis/", "/apis/echo/", "/apis/echo/say/", "/search/?q=echo", "/products/starter/"]
SINCE, SUNSET = datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2030, 6, 30, 22, 30, tzinfo=UTC)


@pytest.fixture
def successor(service):
    return API.objects.create(name="two", display_name="Echo <2>", path="two", service_url="http://b")


@pytest.fixture
def deprecated(api, starter, successor):
    API.objects.filter(pk=api.pk).update(
        deprecated_at=SINCE, sunset_at=SUNSET, successor=successor, migration_url='https://www.test/?a="b"'
    )
    api.refresh_from_db()
    return api


def page(client: Client, path: str) -> str:
    answer = client.get(path, follow=True)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


@pytest.mark.parametrize("path", PAGES)
def test_it_is_marked_wherever_it_is_listed(path, deprecated, client):
    assert '<span class="badge badge--warn">Deprecated</span>' in page(client, path)


@pytest.mark.parametrize("path", PAGES)
def test_what_is_not_deprecated_is_not_marked(path, starter, client):
    assert "eprecated" not in page(client, path)


def test_pages_say_since_when_until_when_and_where_to_read_more(deprecated, client):
    for path in ("/apis/echo/", "/apis/echo/say/"):
        shown = page(client, path)
        assert 'This API is deprecated since <time datetime="2026-03-01T12:00:00+00:00">' in shown
        assert 'It is offered until <time datetime="2030-06-30T22:30:00+00:00">2030-06-30 22:30' in shown
        assert 'href="https://www.test/?a=&quot;b&quot;"' in shown


def test_the_successor_is_named_to_who_may_see_it(deprecated, successor, starter, partners, alice, signed_in, client):
    partners.apis.add(successor)
    assert "Echo &lt;2&gt;" not in page(client, "/apis/echo/")
    assert '<a href="/apis/two/">Echo &lt;2&gt;</a>' in page(signed_in(alice), "/apis/echo/")


def test_the_end_is_told_by_the_readers_clock_and_in_his_language(deprecated, alice, signed_in):
    User.objects.filter(pk=alice.pk).update(time_zone="Asia/Tokyo", language="de")
    assert '<time datetime="2030-07-01T07:30:00+09:00">01.07.2030' in page(signed_in(alice), "/apis/echo/")


def test_what_lies_ahead_and_what_is_over_say_so(deprecated, client):
    API.objects.filter(pk=deprecated.pk).update(deprecated_at=SUNSET)
    shown = page(client, "/apis/echo/")
    assert "Deprecated soon" in shown
    assert "This API will be deprecated from" in shown
    API.objects.filter(pk=deprecated.pk).update(deprecated_at=SINCE, sunset_at=SINCE)
    assert "calls may fail at any time" in page(client, "/apis/echo/")


def test_of_an_operation_alone_its_own_pages_tell(api, starter, operation, client):
    Operation.objects.filter(pk=operation.pk).update(deprecated_at=SINCE)
    assert "This operation is deprecated since" in page(client, "/apis/echo/say/")
    listed = page(client, "/apis/echo/")
    assert 'Say it <span class="badge badge--warn">Deprecated</span>' in listed
    assert "This API is deprecated" not in listed
    assert "(deprecated)" in client.get("/llms.txt").content.decode()


def test_lists_ask_no_more_questions_for_it(deprecated, client):
    Operation.objects.bulk_create(
        Operation(api=deprecated, name=f"o{n}", display_name="O", method="GET", url_template=f"/{n}") for n in range(5)
    )
    with CaptureQueriesContext(connection) as few:
        page(client, "/apis/echo/")
    Operation.objects.bulk_create(
        Operation(
            api=deprecated, name=f"p{n}", display_name="P", method="PUT", url_template=f"/{n}", deprecated_at=SINCE
        )
        for n in range(20)
    )
    with CaptureQueriesContext(connection) as many:
        page(client, "/apis/echo/")
    assert len(many) <= len(few)
