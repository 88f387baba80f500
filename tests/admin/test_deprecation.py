"""Marking APIs and operations as deprecated in the administration, and who is told."""

import json
from datetime import UTC, datetime

import pytest
from django.urls import reverse

from accounts.models import User
from apis.models import API
from audit.models import Entry
from events import names
from events.models import Event
from notifications import deprecations, mailing, preferences
from notifications.models import OutboxMail
from notifications.telling import tell_new
from subscriptions import lifecycle
from subscriptions.models import Product, Subscription
from tests.admin.page_form import errors_of, submit
from webhooks import payloads

DATES = {
    "deprecated_at_0": "2026-06-01",
    "deprecated_at_1": "10:00:00",
    "sunset_at_0": "2027-01-31",
    "sunset_at_1": "00:00:00",
}


def page_of(row):
    return reverse(f"admin:apis_{row._meta.model_name}_change", args=[row.pk])


@pytest.fixture
def mark(admin):
    """Saves a row's page with these dates."""

    def save(row, **fields):
        return submit(admin, page_of(row), f"{row._meta.model_name}_form", **DATES | fields)

    return save


@pytest.fixture
def subscribed(api, starter, alice, bob):
    """Alice may call the API; Bob may not, his subscription is suspended."""
    starter.apis.add(api)
    for person in (alice, bob):
        subscription = lifecycle.create(display_name="Mine", by=None, owner=person, product=starter)
    lifecycle.change_state(subscription, Subscription.State.SUSPENDED, by=None)


@pytest.fixture
def successor(service):
    return API.objects.create(name="new", display_name="New & shiny", path="new", service_url="http://127.0.0.1:8090")


def mails():
    while tell_new() or mailing.write_next_batch():
        pass
    return OutboxMail.objects.filter(subject__contains="AzureML Demo API").order_by("pk")


def text_of(mail):
    import email.policy

    message = email.message_from_bytes(bytes(mail.message), policy=email.policy.default)
    return " ".join(message.get_body(("plain",)).get_content().split())


def test_an_api_is_marked_and_the_mark_is_in_the_audit_log(mark, api, successor):
    response = mark(api, successor=successor.pk, migration_url="https://www.example.org/moving")
    assert response.status_code == 302
    api.refresh_from_db()
    assert (api.deprecated_at, api.sunset_at) == (
        datetime(2026, 6, 1, 10, tzinfo=UTC),
        datetime(2027, 1, 31, tzinfo=UTC),
    )
    assert (api.successor, api.migration_url) == (successor, "https://www.example.org/moving")
    changes = Entry.objects.filter(object_repr="AzureML Demo API").first().changes
    assert {"deprecated_at", "sunset_at", "successor", "migration_url"} <= changes.keys()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sunset_at_0": "2026-05-31"}, "before the time since when it is deprecated"),
        ({"deprecated_at_0": "", "deprecated_at_1": ""}, "Say since when"),
        ({"migration_url": "javascript:alert(1)"}, "address of a web page"),
        ({"deprecated_at_0": "soon"}, "valid date"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(mark, api, fields, message):
    response = mark(api, **fields)
    assert message in str(errors_of(response))
    assert not API.objects.exclude(deprecated_at=None).exists()


def test_an_api_is_not_its_own_successor(mark, api, operation):
    for row in (api, operation):
        assert "Choose another API" in str(errors_of(mark(row, successor=api.pk)))


def test_a_successor_that_is_deprecated_itself_is_taken_with_a_warning(admin, mark, api, successor):
    mark(successor)
    assert mark(api, successor=successor.pk).status_code == 302
    assert "New &amp; shiny, is deprecated itself" in admin.get("/admin/apis/api/").content.decode()


def test_those_who_may_call_it_are_mailed_once(admin, mark, api, successor, subscribed, service):
    open_product = Product.objects.create(name="all", display_name="All", state="published")
    open_product.apis.add(successor)
    mark(api, successor=successor.pk, migration_url="https://www.example.org/moving")
    assert "A mail goes to 1 subscriber." in admin.get("/admin/apis/api/").content.decode()
    (mail,) = mails()
    assert (mail.recipients, mail.subject) == (["alice@example.org"], "AzureML Demo API is deprecated")
    told = text_of(mail)
    assert "deprecated from 2026-06-01 10:00:00 UTC on" in told
    assert "offered until 2027-01-31 00:00:00 UTC" in told
    assert "https://www.example.org/moving" in told
    mark(api)
    mark(api, description="Other words")
    assert len(mails()) == 1


def test_the_form_tells_how_many_would_be_mailed(admin, api, operation, subscribed, alice):
    for row in (api, operation):
        assert "Of AzureML Demo API that is 1 person now." in admin.get(page_of(row)).content.decode()
    preferences.choose(user=alice, wanted=set())
    assert "Of AzureML Demo API that is 0 people now." in admin.get(page_of(api)).content.decode()


def test_receivers_are_counted_once_for_a_page_and_not_for_what_is_new(admin, api, operation, monkeypatch):
    counted = []
    monkeypatch.setattr(deprecations, "receivers", lambda row: counted.append(row) or User.objects.none())
    for name in ("api", "operation"):
        page = admin.get(reverse(f"admin:apis_{name}_add")).content.decode()
        assert "everybody who subscribes" in page
        assert "people now" not in page
    assert counted == []
    admin.get(page_of(operation))
    assert counted == [api]


def test_a_successor_that_the_reader_may_not_see_is_not_named(mark, api, successor, subscribed):
    mark(api, successor=successor.pk)
    (mail,) = mails()
    assert "New & shiny" not in text_of(mail)


def test_another_sunset_is_told_and_an_end_of_it_all_is_not(mark, api, subscribed):
    mark(api)
    mark(api, sunset_at_0="2027-03-01")
    assert len(mails()) == 2
    mark(api, **dict.fromkeys(DATES, ""))
    assert len(mails()) == 2
    assert Event.objects.filter(name=names.API_DEPRECATED).count() == 2


def test_of_an_operation_its_name_is_told(mark, operation, subscribed):
    mark(operation)
    (mail,) = mails()
    assert mail.subject == "AzureML Demo API is deprecated: Status"
    assert "operation “Status”" in text_of(mail)


def test_without_the_switch_webhooks_alone_are_told(mark, operation, api, subscribed, admin_user):
    mark(operation, mails_subscribers=None)
    assert list(mails()) == []
    event = Event.objects.get(name=names.API_DEPRECATED)
    assert json.loads(payloads.body_of(event))["data"] == {
        "api": {"id": api.pk, "name": "azureml"},
        "operation": {"id": operation.pk, "name": "status"},
        "deprecated_at": "2026-06-01T10:00:00+00:00",
        "sunset_at": "2027-01-31T00:00:00+00:00",
        "successor": None,
        "migration_url": "",
        "by": {"id": admin_user.pk},
    }


def test_a_reader_gets_the_day_in_his_language_and_zone(mark, api, subscribed, alice):
    User.objects.filter(pk=alice.pk).update(language="de", time_zone="Asia/Tokyo")
    mark(api)
    (mail,) = mails()
    assert "01.06.2026 19:00:00 JST" in text_of(mail)


def test_the_lists_mark_and_find_what_is_deprecated(admin, mark, api, operation, successor):
    mark(api)
    for choice, found in (("deprecated", [api]), ("none", [successor]), ("over", [])):
        listed = admin.get(f"/admin/apis/api/?deprecation={choice}")
        assert list(listed.context["cl"].queryset) == found
    assert "Until " in admin.get("/admin/apis/api/").content.decode()
    mark(operation)
    assert list(admin.get("/admin/apis/operation/?deprecation=deprecated").context["cl"].queryset) == [operation]
    assert 'class="operations__mark">Deprecated' in admin.get(page_of(api)).content.decode()
