"""The administration's pages of webhooks and of what was sent to them."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from tests.admin.page_form import submit
from webhooks.endpoints import headers_of, put_headers, put_new_secret, secrets_of
from webhooks.models import Attempt, Delivery, Endpoint

ADD = "/admin/webhooks/endpoint/add/"
LIST = "/admin/webhooks/endpoint/"
DELIVERIES = "/admin/webhooks/delivery/"
URL = "https://93.184.215.14/hook"
State = Delivery.State


@pytest.fixture
def endpoint(service) -> Endpoint:
    row = Endpoint(name="CRM", url=URL, events=["user.*"])
    put_new_secret(row)
    put_headers(row, (("X-Token", "stored-value"),))
    row.save()
    return row


@pytest.fixture
def delivery(endpoint) -> Delivery:
    row = Delivery.objects.create(endpoint=endpoint, type="user.closed", body='{"a":"<b>"}')
    headers = {"webhook-signature": "v1,abc", "X-Token": "••••••••"}
    Attempt.objects.create(
        delivery=row,
        at=timezone.now(),
        milliseconds=12,
        status=500,
        answer="<script>alert(1)</script>",
        headers=headers,
    )
    return row


def page_of(row) -> str:
    return reverse(f"admin:webhooks_{row._meta.model_name}_change", args=[row.pk])


def add(admin, **fields):
    values = {"name": "CRM", "url": URL, "events": ["user.*", "subscription.activated"], "is_active": "on"}
    return admin.post(ADD, values | fields)


def test_the_secret_is_shown_once_when_a_webhook_is_added(admin):
    page = add(admin, headers="X-Token: value")
    row = Endpoint.objects.get()
    [secret] = secrets_of(row, timezone.now())
    assert secret in page.content.decode()
    assert "no-store" in page.headers["Cache-Control"]
    assert row.events == ["user.*", "subscription.activated"]
    assert secret not in row.sealed_secret
    for url in (page_of(row), LIST, f"{page_of(row)}history/"):
        text = admin.get(url.replace("change/history", "history"), follow=True).content.decode()
        assert secret not in text
        assert "X-Token: value" not in text


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        pytest.param({"url": "https://127.0.0.1/hook"}, "not on the public Internet", id="loopback"),
        pytest.param({"url": "https://0x7f.1/hook"}, "not on the public Internet", id="loopback in disguise"),
        pytest.param({"url": "http://93.184.215.14/"}, "allow http", id="no encryption"),
        pytest.param({"url": "https://me:pw@93.184.215.14/"}, "user name", id="credentials in the URL"),
        pytest.param({"url": "http://127.0.0.1:8080/", "allows_http": "on"}, "this portal or its gateway", id="itself"),
        pytest.param({"events": []}, "required", id="no events"),
        pytest.param({"events": ["user.made-up"]}, "made-up", id="no such event"),
        pytest.param({"headers": "webhook-id: 1"}, "written by the portal itself", id="a header of ours"),
        pytest.param({"headers": "Host: a"}, "HTTP itself needs", id="a header of HTTP"),
        pytest.param({"headers": "no colon"}, "Line 1", id="no header"),
    ],
)
def test_what_cannot_be_used_is_refused_and_kept_in_the_form(admin, fields, problem):
    text = add(admin, **fields).content.decode()
    assert problem in text
    assert 'value="CRM"' in text
    assert not Endpoint.objects.exists()


def test_a_change_keeps_secret_and_headers_and_what_the_worker_notes(admin, endpoint):
    before = secrets_of(endpoint, timezone.now())
    submit(admin, page_of(endpoint), "endpoint_form", name="ERP")
    row = Endpoint.objects.get()
    assert (row.name, secrets_of(row, timezone.now())) == ("ERP", before)
    assert headers_of(row) == (("X-Token", "stored-value"),)


def test_stored_headers_do_not_follow_to_another_host(admin, endpoint):
    page = submit(admin, page_of(endpoint), "endpoint_form", url="https://93.184.215.15/hook")
    assert "There is no stored value of this name" in page.content.decode()
    assert Endpoint.objects.get().url == URL


def test_switching_on_forgets_why_it_was_off(admin, endpoint):
    Endpoint.objects.update(is_active=False, switched_off_because="Gone", failing_since=timezone.now())
    assert "Gone" in admin.get(LIST).content.decode()
    submit(admin, page_of(endpoint), "endpoint_form", is_active="on")
    row = Endpoint.objects.get()
    assert (row.is_active, row.switched_off_because, row.failing_since) == (True, "", None)


def test_a_new_secret_is_shown_once_and_the_old_one_signs_for_a_day(admin, endpoint):
    page = reverse("admin:webhooks_endpoint_secret", args=[endpoint.pk])
    [old] = secrets_of(endpoint, timezone.now())
    assert "whsec_" not in admin.get(page).content.decode()
    shown = admin.post(page, {"overlap": "86400"}).content.decode()
    endpoint.refresh_from_db()
    new, still = secrets_of(endpoint, timezone.now())
    assert (new in shown, still) == (True, old)
    assert secrets_of(endpoint, timezone.now() + timedelta(days=1)) == [new]
    assert admin.post(page, {"overlap": "forever"}).status_code == 200
    assert secrets_of(Endpoint.objects.get(), timezone.now()) == [new, old]


def test_a_test_event_is_queued(admin, endpoint):
    page = admin.post(reverse("admin:webhooks_endpoint_test", args=[endpoint.pk]), follow=True)
    row = Delivery.objects.get()
    assert (row.type, row.state, row.event) == ("webhook.test", State.WAITING, None)
    assert "on its way" in page.content.decode()


def test_no_test_event_goes_to_what_is_switched_off(admin, endpoint):
    Endpoint.objects.update(is_active=False)
    page = admin.post(reverse("admin:webhooks_endpoint_test", args=[endpoint.pk]), follow=True)
    assert "switched off" in page.content.decode()
    assert not Delivery.objects.exists()


def test_a_delivery_shows_what_was_sent_and_answered(admin, delivery):
    text = admin.get(page_of(delivery)).content.decode()
    assert "v1,abc" in text
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert(1)" not in text
    assert "{&quot;a&quot;:&quot;&lt;b&gt;&quot;}" in text
    assert "(&#x27;" not in text, "a raw tuple"


def test_one_is_cancelled_and_sent_again(admin, delivery):
    admin.post(reverse("admin:webhooks_delivery_cancel", args=[delivery.pk]))
    delivery.refresh_from_db()
    assert delivery.state == State.CANCELLED
    admin.post(reverse("admin:webhooks_delivery_replay", args=[delivery.pk]))
    delivery.refresh_from_db()
    assert (delivery.state, delivery.finished_at) == (State.WAITING, None)


def test_many_are_sent_again(admin, endpoint):
    ended = {"state": State.FAILED, "finished_at": timezone.now(), "attempts": 15}
    for _ in range(3):
        Delivery.objects.create(endpoint=endpoint, type="user.closed", body="{}", **ended)
    chosen = list(Delivery.objects.values_list("pk", flat=True)[:2])
    page = admin.post(DELIVERIES, {"action": "replay", "_selected_action": chosen}, follow=True)
    assert "2 deliveries are sent again." in page.content.decode()
    assert Delivery.objects.filter(state=State.WAITING, attempts=0).count() == 2


def test_deliveries_are_filtered_by_webhook_and_state(admin, delivery):
    page = f"{DELIVERIES}?endpoint__id__exact={delivery.endpoint_id}&state__exact="
    assert page_of(delivery) in admin.get(f"{page}waiting").content.decode()
    assert page_of(delivery) not in admin.get(f"{page}failed").content.decode()


@pytest.mark.parametrize("page", ["secret", "test"])
def test_who_may_only_look_changes_no_webhook(signed_in, alice, endpoint, page):
    url = reverse(f"admin:webhooks_endpoint_{page}", args=[endpoint.pk])
    reader = _reader(signed_in, alice)
    assert reader.get(page_of(endpoint)).status_code == 200
    assert reader.post(url, {"overlap": "0"}).status_code == 403


@pytest.mark.parametrize("page", ["replay", "cancel"])
def test_who_may_only_look_changes_no_delivery(signed_in, alice, delivery, page):
    reader = _reader(signed_in, alice)
    assert reader.get(page_of(delivery)).status_code == 200
    assert reader.post(reverse(f"admin:webhooks_delivery_{page}", args=[delivery.pk])).status_code == 403


def test_others_see_nothing(client, signed_in, mallory, endpoint):
    for person in (client, signed_in(mallory)):
        assert person.get(LIST).status_code in (302, 403)
        assert person.post(reverse("admin:webhooks_endpoint_secret", args=[endpoint.pk])).status_code in (302, 403)


def test_looking_changes_nothing(admin, delivery):
    for page in ("replay", "cancel"):
        assert admin.get(reverse(f"admin:webhooks_delivery_{page}", args=[delivery.pk])).status_code == 405
    assert admin.get(reverse("admin:webhooks_endpoint_test", args=[delivery.endpoint_id])).status_code == 405


def _reader(signed_in, person):
    person.is_staff = True
    person.save()
    wanted = ["view_endpoint", "view_delivery", "view_attempt"]
    person.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    return signed_in(person)
