"""The administration's first page: what needs doing."""

import json
import os
import re
import threading
import time
from datetime import timedelta
from html import unescape
from http.server import BaseHTTPRequestHandler, HTTPServer
from unittest.mock import Mock

import pytest
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.roles import Role, give
from analytics import rollups
from analytics import tasks as analytics
from analytics.lag import IngestLag
from analytics.models import QuotaUse
from analytics.records import QUARTER_SECONDS
from analytics.sums import NOBODY, Sums
from backends.credentials import put_credentials
from backends.models import Backend
from events.models import Event
from gateway.configuration.snapshot import Credentials
from notifications import tasks as notifications
from notifications.models import OutboxMail
from policies.models import ProductPolicy
from portal import heartbeat
from portal.administration import counting
from portal.administration.start import gateway as start_gateway
from publisher.models import Revision
from service.models import Service
from subscriptions import keys, lifecycle
from subscriptions.models import SubscriptionKey
from tests.admin.test_backend_pages import pair_pem
from tests.admin.test_lists import make_call

START = "/admin/"


@pytest.fixture
def gateway(settings, monkeypatch):
    """A gateway that answers its status path with what the test sets."""

    class Handler(BaseHTTPRequestHandler):
        status, body = 200, b"{}"
        asked = 0

        def do_GET(self):
            Handler.asked += 1
            self.send_response(Handler.status)
            self.end_headers()
            self.wfile.write(Handler.body)

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    settings.GATEWAY_INTERNAL_URL = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(start_gateway, "TIMEOUT_SECONDS", 60)
    yield Handler
    server.shutdown()
    server.server_close()
    thread.join()


def page(browser) -> str:
    return browser.get(START).content.decode()


def test_requests_to_approve_are_listed_oldest_first(admin, unlimited, alice, bob):
    for user in (alice, bob):
        lifecycle.subscribe(user=user, product=unlimited, display_name=f"{user.first_name}'s request")
    text = page(admin)
    assert "2 requests to approve" in text
    assert text.index("alice@example.org") < text.index("bob@example.org")
    assert f"{reverse('admin:subscriptions_subscription_step', args=['approve'])}?id=" in text


def test_failed_mails_are_told(admin):
    OutboxMail.objects.create(message=b"", sender="a@b", recipients=[], subject="s", state="failed")
    assert "1 mail could not be sent." in page(admin)


def test_events_that_could_not_be_told_are_listed_and_told_again(admin):
    event = Event.objects.create(name="user.blocked", set_aside_at=timezone.now(), problem="ValueError: odd")
    assert "1 event could not be told." in page(admin)
    listed = "/admin/events/event/?set_aside=yes"
    assert "ValueError: odd" in admin.get(listed).content.decode()
    admin.post(listed, {"action": "tell_again", "_selected_action": [event.pk]})
    assert "could not be told." not in page(admin)


def test_mails_that_are_tried_again_are_told(admin):
    OutboxMail.objects.create(message=b"", sender="a@b", recipients=[], subject="s", last_error="Refused")
    assert "1 mail could not be sent yet." in page(admin)


@pytest.mark.parametrize(
    ("work", "text"),
    [
        ("publisher", "Changes do not reach the gateway."),
        ("usage", "Calls are not counted."),
        ("mail", "Mails are not sent."),
    ],
)
def test_work_that_stands_still_is_told(admin, gateway, settings, work, text):
    assert text not in page(admin)
    file = settings.DATA_DIR / "heartbeat" / work
    os.utime(file, (0, time.time() - 7200))
    assert text in page(admin)
    assert "not done this for 2\xa0hours" in page(admin)
    file.unlink()
    assert text not in page(admin), "the service is set up, and its processes start"
    Service.objects.update(created_at=timezone.now() - timedelta(hours=1))
    assert "has never done this" in page(admin)
    assert "Nothing waits for you." not in page(admin)


@pytest.mark.parametrize(("task", "work"), [(analytics.ingest, "usage"), (notifications.deliver_waiting, "mail")])
def test_worker_gives_a_sign_of_life_for_work_that_succeeded(db, settings, tmp_path, task, work):
    settings.DATA_DIR = settings.JOURNAL_DIR = tmp_path / "fresh"
    task()
    assert heartbeat.last_beat(work) is not None


def test_work_that_fails_gives_no_sign_of_life(db, settings, tmp_path, monkeypatch):
    settings.DATA_DIR = settings.JOURNAL_DIR = tmp_path / "fresh"
    monkeypatch.setattr("analytics.ingest.parts", Mock(side_effect=OSError("no disk")))
    with pytest.raises(OSError, match="no disk"):
        analytics.ingest()
    assert heartbeat.last_beat("usage") is None


def test_gateway_that_is_down_is_told(admin):
    assert "The gateway does not answer." in page(admin)


def test_gateway_that_answers_is_asked_once_for_many_pages(admin, gateway):
    for _ in range(5):
        assert "Nothing waits for you." in page(admin)
    assert gateway.asked == 1


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (json.dumps({"revision": 7}), "serves revision 7"),
        (json.dumps({"revision": 6}), "The gateway serves revision 6; the database is at 7."),
        ("Service Operational", "Nothing waits for you."),
        (json.dumps({"revision": "<script>"}), "Nothing waits for you."),
        (json.dumps([1]), "Nothing waits for you."),
        ("x" * 1_000_000, "Nothing waits for you."),
        ("", "Nothing waits for you."),
    ],
    ids=lambda text: text[:20],
)
def test_revision_of_the_gateway_is_compared(admin, gateway, body, text):
    gateway.body = body.encode()
    Revision.objects.update_or_create(pk=1, defaults={"number": 7})
    Revision.objects.update(number=7)
    assert text in page(admin)


def test_gateway_that_fails_is_told_with_its_status(admin, gateway):
    gateway.status = 503
    assert "It answered 503." in page(admin)


def test_pages_open_from_here(admin):
    text = page(admin)
    for name in ("admin:apis_api_add", "admin:apis_operation_add", "portal:home"):
        assert f'href="{reverse(name)}"' in text


def test_name_of_the_service_is_on_every_page(admin):
    text = page(admin)
    assert "demoazureml administration" in text
    assert "Contoso" in text


def test_waiting_requests_are_counted_in_the_menu(admin, unlimited, alice):
    cache.clear()
    lifecycle.subscribe(user=alice, product=unlimited, display_name="Request")
    groups = admin.get("/admin/apis/api/").context["sidebar_navigation"]
    badges = {item["title"]: item.get("badge") for group in groups for item in group["items"]}
    assert badges["Subscriptions"] == "1"


def test_people_who_wait_are_approved_from_the_start_page(admin, alice):
    User.objects.filter(pk=alice.pk).update(state="pending", waiting_since=timezone.now())
    page = admin.get("/admin/").text
    assert "1 person waits for approval" in page
    step = f"/admin/accounts/user/step/approve/?id={alice.pk}"
    assert step in page
    admin.post(step, {"id": alice.pk, "comment": "Welcome"})
    assert User.objects.get(pk=alice.pk).state == "active"
    assert "waits for approval" not in admin.get("/admin/").text


def test_most_frequent_errors_of_the_last_day_come_first(admin, api):
    for code, times in ((502, 1), (429, 3), (200, 5)):
        for _ in range(times):
            make_call(api_id=api.pk, response_code=code)
    make_call(response_code=500, at=timezone.now() - timedelta(days=2))
    errors = admin.get(START).context["errors"]
    assert [(error.code, error.count, str(error.api)) for error in errors] == [
        (429, 3, "AzureML Demo API"),
        (502, 1, "AzureML Demo API"),
    ]


def test_subscriptions_that_end_soon_are_shown(admin, admin_user, unlimited):
    for name, days in (("Ends soon", 3), ("Ends late", 60)):
        expires_at = timezone.now() + timedelta(days=days)
        lifecycle.create(display_name=name, by=admin_user, product=unlimited, expires_at=expires_at)
    assert "Ends soon" in page(admin)
    assert "Ends late" not in page(admin)


def test_errors_lead_to_their_calls(admin, api, operation):
    make_call(api_id=api.pk, operation_id=operation.pk, response_code=429, error_reason="RateLimitExceeded")
    make_call(api_id=api.pk, operation_id=operation.pk, response_code=429)
    make_call(response_code=404, error_reason="OperationNotFound")
    text = page(admin)
    assert "RateLimitExceeded · 1 call" in text
    links = [unescape(link) for link in re.findall(r'href="(/admin/analytics/call/[^"]+code=[^"]+)"', text)]
    assert len(links) == 3
    for link in links:
        assert len(admin.get(link).context["rows"]) == 1


def test_calls_of_the_day_are_shown_as_a_line(admin, api):
    kind = (NOBODY, api.pk, 0, 0, 0, "")
    now = int(timezone.now().timestamp())
    rollups.add(
        {
            ((now - 3600) // QUARTER_SECONDS, kind): Sums(classes=[3, 0, 2, 0]),
            ((now - 30 * 3600) // QUARTER_SECONDS, kind): Sums(classes=[100, 0, 0, 0]),
        }
    )
    text = page(admin)
    assert '<svg class="sparkline"' in text
    trend = admin.get(START).context["trend"]
    assert (trend.calls, trend.failed) == ("5", "2")


def test_replaced_key_that_is_still_called_with_is_told(admin, admin_user, unlimited, alice):
    subscription = lifecycle.subscribe(user=alice, product=unlimited, display_name="Orders")
    lifecycle.change_state(subscription, "active", by=admin_user)
    key = subscription.keys.get(slot="primary")
    keys.regenerate(subscription, key.slot, by=alice, overlap=keys.Overlap.DAY)
    old = SubscriptionKey.objects.old().get()
    assert "Old keys that end soon" not in page(admin)
    SubscriptionKey.objects.filter(pk=old.pk).update(last_used_at=timezone.now())
    assert "Old keys that end soon" in page(admin)
    assert "Orders" in page(admin)


def test_certificate_that_ends_soon_is_told(admin):
    pem = pair_pem(days=10)
    backend = Backend(name="orders", title="Order service", url="https://o.example")
    put_credentials(backend, Credentials(certificate_pem=pem))
    backend.save()
    text = page(admin)
    assert "Certificates for backends that end soon" in text
    assert "Order service" in text


def test_more_than_a_thousand_are_not_counted(admin, monkeypatch):
    monkeypatch.setattr(counting, "MOST", 3)
    mail = {"message": b"", "sender": "a@b", "recipients": [], "subject": "s", "state": "failed"}
    OutboxMail.objects.bulk_create(OutboxMail(**mail) for _ in range(5))
    assert "2+ mails could not be sent." in page(admin)


def test_who_may_only_look_is_offered_no_step(service, signed_in, alice, unlimited):
    lifecycle.subscribe(user=alice, product=unlimited, display_name="Request")
    supporter = User.objects.create_user("support@example.org")
    give(supporter, Role.SUPPORT)
    text = page(signed_in(supporter))
    assert "1 request to approve" in text
    assert "/step/approve/" not in text


@pytest.mark.parametrize(("seconds", "is_told"), [(30, False), (7300, True)])
def test_calls_that_are_counted_late_are_told(admin, monkeypatch, seconds, is_told):
    oldest = timezone.now() - timedelta(seconds=seconds)
    monkeypatch.setattr("portal.administration.start.to_do.ingest_lag", lambda: IngestLag(oldest, 100))
    assert ("The oldest call that is not counted yet was made 2\xa0hours" in page(admin)) is is_told


@pytest.mark.parametrize(("hours", "is_told"), [(2, False), (5, True)])
def test_calls_that_do_not_leave_for_another_system_are_told(admin, settings, tmp_path, hours, is_told):
    settings.CALL_EXPORT_DIR = str(tmp_path / "lake")
    make_call(at=timezone.now() - timedelta(hours=hours))
    text = page(admin)
    assert (
        f"Parquet {tmp_path / 'lake'}: the oldest call that has not left was made 5\xa0hours ago." in text
    ) is is_told
    assert ("Calls are deleted after 30 days, whether they have left or not." in text) is is_told


def test_quota_that_is_nearly_used_is_told(admin, starter, alice, bob):
    quota = '<policies><inbound><quota calls="1000" renewal-period="3600" /></inbound></policies>'
    ProductPolicy.objects.update_or_create(product=starter, defaults={"document": quota})
    for user, name, calls in ((alice, "Nearly full", 930), (bob, "Half full", 500)):
        pk = lifecycle.subscribe(user=user, product=starter, display_name=name).pk
        QuotaUse.objects.create(subscription_id=pk, product_id=starter.pk, period_start=timezone.now(), calls=calls)
    text = page(admin)
    assert "Quotas that are nearly used" in text
    assert "93% of 1,000 calls" in text
    assert "Half full" not in text
