"""Every list and page of the administration: it opens, asks a bounded number of questions, and is searched."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from allauth.socialaccount.models import SocialApp
from django.contrib import admin as django_admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import invitations, teams
from accounts.models import CustomField, Group, User
from alerts.models import AlertRule
from analytics import tasks
from analytics.models import Call, CallFeed, JournalPart
from apis.models import API, Operation, Parameter, Representation, Response
from backends.models import Backend, PoolMember
from events.models import Event
from feedback.models import Issue
from gateway.journal.parts import MAGIC, frame
from notifications.models import Announcement, BouncedAddress, OutboxMail
from service.models import Service
from subscriptions import lifecycle
from subscriptions.models import Product
from tests.analytics.conftest import record
from webhooks.models import Delivery, Endpoint

LISTS = [
    "alerts/alertrule",
    "audit/entry",
    "socialaccount/socialapp",
    "notifications/announcement",
    "notifications/bouncedaddress",
    "apis/api",
    "apis/operation",
    "backends/backend",
    "subscriptions/product",
    "subscriptions/subscription",
    "accounts/user",
    "accounts/group",
    "accounts/team",
    "accounts/customfield",
    "accounts/invitation",
    "analytics/call",
    "analytics/journalpart",
    "events/event",
    "feedback/issue",
    "notifications/outboxmail",
    "webhooks/endpoint",
    "webhooks/delivery",
]
# Settings of which there is one row, or a page of their own in place of the list.
WITHOUT_LIST = [
    "service/service",
    "portalsettings/portalsettings",
    "notifications/mailserver",
    "notifications/mailtext",
    "notifications/publishernotification",
]


def make_call(**fields) -> Call:
    values = {
        "at": timezone.now(),
        "request_id": uuid.uuid4(),
        "gateway": "g1",
        "method": "GET",
        "url": "/echo/a",
        "caller_address": "192.0.2.1",
        "response_code": 200,
        "total_ms": 1.5,
        "request_bytes": 0,
        "response_bytes": 10,
    }
    return Call.objects.create(**values | fields)


def make_rows(number: int) -> None:
    """Some of everything, each belonging to another one."""
    for _ in range(number):
        name = uuid.uuid4().hex[:12]
        backend = Backend.objects.create(name=name, title=name, url="http://b")
        pool = Backend.objects.create(name=f"{name}-pool", title=name, type="Pool")
        PoolMember.objects.create(pool=pool, backend=backend)
        api = API.objects.create(name=name, display_name=name, path=name, backend=pool)
        operation = Operation.objects.create(api=api, name=name, display_name=name, method="GET", url_template="/a")
        product = Product.objects.create(name=name, display_name=name, state="published")
        product.apis.add(api)
        user = User.objects.create_user(f"{name}@example.org")
        group = Group.objects.create(name=name, display_name=name)
        group.members.add(user)
        teams.create(name=name, by=user)
        invitations.invite(emails=[f"{name}@invited.example"], by=user)
        CustomField.objects.create(label=name)
        for scope in ({"product": product}, {"api": api}, {}):
            subscription = lifecycle.create(display_name=name, by=user, owner=user, **scope)
        AlertRule.objects.create(name=name, threshold=5, api=api)
        make_call(api_id=api.pk, operation_id=operation.pk, subscription_id=subscription.pk, user_id=user.pk)
        JournalPart.objects.create(name=name)
        event = Event.objects.create(name="user.closed", by=user)
        Announcement.objects.create(subject=name, body=name, api=api, scope_name=name, event=event, by=user)
        BouncedAddress.objects.create(email=f"{name}@example.org", reason=name)
        SocialApp.objects.create(provider="openid_connect", provider_id=name, name=name, client_id=name)
        Issue.objects.create(api=api, author=user, title=name, description=name)
        endpoint = Endpoint.objects.create(name=name, url="https://a.example", events=["*"])
        Delivery.objects.create(endpoint=endpoint, type="user.closed", body="{}")
        OutboxMail.objects.create(message=b"x" * 1000, sender="a@b", recipients=["c@d"], subject=name)


def queries_of(browser, url: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        response = browser.get(url)
    assert response.status_code == 200
    return len(queries)


@pytest.mark.parametrize("name", LISTS)
def test_questions_of_a_list_do_not_grow_with_its_rows(admin, name):
    url = f"/admin/{name}/"
    make_rows(2)
    few = queries_of(admin, url)
    make_rows(10)
    assert queries_of(admin, url) <= few
    assert few <= 15


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("text", ["x", "'", '"', "%", "\\", "\x01", "ä" * 200, "-1", "<script>"], ids=ascii)
def test_any_search_is_answered(admin, name, text):
    response = admin.get(f"/admin/{name}/", {"q": text})
    assert response.status_code == 200
    assert "<script>" not in response.content.decode().split("<body")[1].split("<script src")[0]


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("query", ["o=999", "p=999", "p=x", "nonsense=1", "state__exact=x", "period=x", "outcome=x"])
def test_any_query_is_answered(admin, name, query):
    assert admin.get(f"/admin/{name}/?{query}", follow=True).status_code == 200


def test_questions_of_an_operation_s_page_do_not_grow_with_its_rows(admin, operation):
    def add(number: int) -> None:
        for index in range(number):
            Parameter.objects.create(operation=operation, location="query", name=f"p{index}-{number}")
            Representation.objects.create(operation=operation, content_type=f"text/x{index}-{number}")

    url = reverse("admin:apis_operation_change", args=[operation.pk])
    add(2)
    few = queries_of(admin, url)
    add(20)
    assert queries_of(admin, url) <= few


def test_page_of_an_api_shows_a_part_of_very_many_operations(admin, api):
    Operation.objects.bulk_create(
        Operation(api=api, name=f"o{n}", display_name=f"O{n}", method="GET", url_template=f"/o{n}") for n in range(250)
    )
    page = admin.get(reverse("admin:apis_api_change", args=[api.pk])).content.decode()
    assert page.count("/admin/apis/operation/") < 210
    assert f"?api__id__exact={api.pk}" in page


def test_every_row_has_a_page(admin, operation):
    make_rows(1)
    Response.objects.create(operation=operation)
    for name in LISTS:
        app, model = name.split("/")
        row = next(m for m in django_admin.site._registry if m._meta.label_lower == f"{app}.{model}").objects.first()
        assert row is not None, f"{name}: make_rows makes none"
        response = admin.get(reverse(f"admin:{app}_{model}_change", args=[row.pk]))
        assert response.status_code == 200
        assert "(&#x27;" not in response.content.decode(), "a raw tuple"


def choices_on(browser, name: str, pk) -> int:
    """How many options and boxes the pages offer that add a row and change this one."""
    pages = [browser.get(f"/admin/{name}/add/", follow=True), browser.get(f"/admin/{name}/{pk}/change/")]
    return sum(page.text.count("<option") + page.text.count('type="checkbox"') for page in pages)


@pytest.mark.parametrize("name", LISTS)
def test_choices_of_a_form_do_not_grow_with_the_rows(admin, name):
    """Rows are chosen by typing, not from a list of all."""
    make_rows(2)
    app, model = name.split("/")
    # The same one before and after: rows of equal rank come in any order.
    row = next(m for m in django_admin.site._registry if m._meta.label_lower == f"{app}.{model}").objects.first()
    few = choices_on(admin, name, row.pk)
    make_rows(10)
    assert choices_on(admin, name, row.pk) == few


def test_a_list_is_titled_by_what_it_has(admin):
    title = (
        admin.get(reverse("admin:alerts_alertrule_changelist")).text.partition("</title>")[0].rpartition("<title>")[2]
    )
    assert title.strip().startswith("Alert rules | ")


def test_models_of_the_administration_are_these(service):
    registered = {f"{m._meta.app_label}/{m._meta.model_name}" for m in django_admin.site._registry}
    assert registered == {*LISTS, *WITHOUT_LIST}


@pytest.mark.parametrize("name", ["analytics/call", "analytics/journalpart", "notifications/outboxmail"])
def test_records_are_only_looked_at(admin, name):
    make_rows(1)
    app, model = name.split("/")
    row = {"call": Call, "journalpart": JournalPart, "outboxmail": OutboxMail}[model].objects.get()
    assert admin.get(f"/admin/{name}/add/").status_code == 403
    assert admin.post(reverse(f"admin:{app}_{model}_change", args=[row.pk]), {"name": "x"}).status_code == 403
    assert admin.post(reverse(f"admin:{app}_{model}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403


def shown_calls(browser, **query) -> set[str]:
    return {row.call.url for row in browser.get("/admin/analytics/call/", query).context["rows"]}


def test_calls_of_the_last_day_are_shown_unless_one_asks_for_more(admin):
    for url, age in (("/now", timedelta()), ("/yesterday", timedelta(hours=30)), ("/old", timedelta(days=30))):
        make_call(url=url, at=timezone.now() - age)
    assert shown_calls(admin) == {"/now"}
    assert shown_calls(admin, period="7d") == {"/now", "/yesterday"}
    assert shown_calls(admin, period="90d") == {"/now", "/yesterday", "/old"}


def test_call_outlives_what_it_names(admin):
    call = make_call(api_id=999, operation_id=999, subscription_id=uuid.uuid4())
    assert admin.get("/admin/analytics/call/").status_code == 200
    assert admin.get(reverse("admin:analytics_call_change", args=[call.pk])).status_code == 200


def test_call_is_one_row_of_what_one_looks_for(admin, operation):
    at = datetime.now(UTC).replace(microsecond=0)
    make_call(at=at, api_id=operation.api_id, operation_id=operation.pk, url="/" + "a" * 500, response_code=429)
    page = admin.get("/admin/analytics/call/").content.decode().partition("<tbody")[2]
    shown = (f"{at:%Y-%m-%d %H:%M:%S} UTC", "429", "1.5 ms", "AzureML Demo API", "Status", "192.0.2.1", "a" * 500)
    places = [page.index(text) for text in shown]
    assert places == sorted(places)


def test_times_are_in_24_hours_and_name_their_zone(admin):
    mail = make_mail("sent", sent_at=datetime(2026, 3, 4, 15, 24, tzinfo=UTC))
    for url in ("/admin/notifications/outboxmail/", f"/admin/notifications/outboxmail/{mail.pk}/change/"):
        assert "2026-03-04 15:24:00 UTC" in admin.get(url).content.decode()


def test_calls_are_not_counted(admin):
    make_rows(1)
    with CaptureQueriesContext(connection) as queries:
        admin.get("/admin/analytics/call/")
    assert not [q for q in queries if "COUNT(" in q["sql"] and 'FROM "analytics_call"' in q["sql"]]


def make_mail(state: str, **fields) -> OutboxMail:
    return OutboxMail.objects.create(
        message=b"Reset: https://portal/secret-link",
        sender="a@b",
        recipients=["alice@example.org"],
        subject=f"A {state} mail",
        state=state,
        attempts=5,
        last_error="Connection refused",
        next_attempt_at=datetime(2030, 1, 1, tzinfo=UTC),
        **fields,
    )


def test_failed_mails_are_sent_again_and_others_left(admin):
    failed, sent = make_mail("failed"), make_mail("sent")
    chosen = {"action": "send_again", "_selected_action": [failed.pk, sent.pk]}
    admin.post("/admin/notifications/outboxmail/", chosen)
    failed.refresh_from_db()
    assert (failed.state, failed.attempts) == ("waiting", 0)
    assert failed.next_attempt_at <= timezone.now()
    sent.refresh_from_db()
    assert sent.state == "sent"


def test_content_of_a_mail_is_not_shown(admin):
    mail = make_mail("failed")
    for path in ("/admin/notifications/outboxmail/", reverse("admin:notifications_outboxmail_change", args=[mail.pk])):
        page = admin.get(path).content.decode()
        assert "alice@example.org" in page
        assert "secret-link" not in page


def test_service_is_changed_but_neither_added_nor_deleted(admin):
    response = admin.get("/admin/service/service/")
    url = reverse("admin:service_service_change", args=[1])
    assert response.headers["Location"] == url
    admin.post(url, {"name": "other", "organization_name": "Fabrikam", "administrator_email": "new@example.org"})
    service = Service.objects.get()
    assert (service.name, service.organization_name) == ("demoazureml", "Fabrikam")
    assert admin.get("/admin/service/service/add/").status_code == 403
    assert admin.post(reverse("admin:service_service_delete", args=[1]), {"post": "yes"}).status_code == 403


def test_mails_are_found_by_a_whole_address_and_by_how_the_subject_begins(admin):
    make_mail("sent")
    OutboxMail.objects.create(message=b"", sender="a@b", recipients=["x@y.example", "bob@example.org"], subject="Two")

    def found(text: str) -> set[str]:
        return {
            mail.subject
            for mail in admin.get("/admin/notifications/outboxmail/", {"q": text}).context["cl"].result_list
        }

    assert found("bob@example.org") == found("Bob@Example.org") == {"Two"}
    assert found("A sent") == {"A sent mail"}
    assert found("sent mail") == found("ob@example.org") == set()


@pytest.mark.parametrize("name", ["accounts/user", "subscriptions/subscription", "notifications/outboxmail"])
def test_rows_of_a_long_list_are_not_counted(admin, name):
    make_rows(1)
    with CaptureQueriesContext(connection) as queries:
        admin.get(f"/admin/{name}/?q=a")
    assert not [q for q in queries if "COUNT(*)" in q["sql"] and "LIKE" in q["sql"]]


def test_the_parts_of_the_journal_tell_how_far_behind_their_ingest_is(admin, settings, tmp_path):
    settings.JOURNAL_DIR = tmp_path
    page = reverse("admin:analytics_journalpart_changelist")
    assert "All calls are ingested." in admin.get(page).content.decode()
    assert "Countries of callers are not known" not in admin.get(page).content.decode()
    made = record(at=(timezone.now() - timedelta(minutes=5)).timestamp())
    (tmp_path / "gw-000000000001.journal").write_bytes(MAGIC + frame(made))
    settings.GEOIP_DATABASE = str(tmp_path / "none.mmdb")
    shown = admin.get(page).content.decode()
    assert "was made 5\xa0minutes ago" in shown
    assert "Look whether the worker runs" in shown
    assert "none.mmdb: No such file or directory" in shown


def test_the_journal_tells_how_far_each_feed_of_calls_has_got(admin, settings, tmp_path):
    page = reverse("admin:analytics_journalpart_changelist")
    settings.CALL_EXPORT_DIR = str(tmp_path / "lake")
    make_call(at=timezone.now() - timedelta(hours=5))
    CallFeed.objects.create(name="otlp http://me:s3cret@collector", failures=2, last_error="<b>it answered 503</b>")
    shown = admin.get(page).content.decode()
    assert "The oldest call that has not left was made 5\xa0hours ago." in shown
    assert "OpenTelemetry http://collector:" in shown
    assert "The settings do not name this feed" in shown
    assert "It has failed 2 times since: &lt;b&gt;it answered 503" in shown
    assert "s3cret" not in shown
    tasks.export_calls()
    assert "All calls have left." in admin.get(page).content.decode()
