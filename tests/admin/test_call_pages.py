"""Single calls in the administration: the list and its filters, one call, the live tail, files of calls."""

import csv
import html
import io
import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pyarrow.parquet import ParquetFile

from accounts.roles import Role, give
from analytics import call_search
from analytics.models import Call
from audit.models import Entry
from portal.administration import call_export, call_list, call_tail
from subscriptions import lifecycle
from tests.admin.test_lists import make_call

LIST, TAIL, EXPORT = "/admin/analytics/call/", "/admin/analytics/call/tail/", "/admin/analytics/call/export/"
GUID = uuid.UUID("7c9e6679-7425-40de-944b-e07fc1f90ae7")


def shown(browser, **query) -> list[str]:
    answer = browser.get(LIST, query, follow=True)
    assert answer.status_code == 200
    return [row.call.url for row in answer.context["rows"]]


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    monkeypatch.setattr(call_list, "PATIENCE_SECONDS", 60)


@pytest.fixture
def mine(starter, alice):
    return lifecycle.subscribe(user=alice, product=starter, display_name="Mine")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"api": "7"}, {"/a", "/b"}),
        ({"api": "0"}, {"/none"}),
        ({"operation": "71"}, {"/a"}),
        ({"product": "3"}, {"/a"}),
        ({"subscription": str(GUID)}, {"/b"}),
        ({"subscription": str(uuid.UUID(int=0))}, {"/a", "/c", "/none"}),
        ({"user": "5"}, {"/b"}),
        ({"country": "de"}, {"/b"}),
        ({"country": "none"}, {"/a", "/c", "/none"}),
        ({"class": "success"}, {"/a"}),
        ({"class": "blocked"}, {"/b"}),
        ({"class": "failed"}, {"/c"}),
        ({"class": "other"}, {"/none"}),
        ({"code": "429"}, {"/b"}),
        ({"code": "4xx"}, {"/b", "/none"}),
        ({"code": "0"}, set()),
        ({"reason": "RateLimitExceeded"}, {"/b"}),
        ({"reason": "none"}, {"/a", "/c", "/none"}),
        ({"method": "POST"}, {"/c"}),
        ({"min_ms": "100"}, {"/c"}),
        ({"url": "/a"}, {"/a"}),
        ({"q": "/a"}, {"/a"}),
        ({"api": "7", "class": "blocked"}, {"/b"}),
        ({"api": "7", "subscription": str(GUID), "code": "200"}, set()),
    ],
)
def test_calls_are_filtered_by_the_address(admin, query, found):
    make_call(url="/a", api_id=7, operation_id=71, product_id=3)
    refused = {"response_code": 429, "error_reason": "RateLimitExceeded"}
    make_call(url="/b", api_id=7, subscription_id=GUID, user_id=5, country="DE", **refused)
    make_call(url="/c", api_id=8, response_code=502, method="POST", total_ms=250)
    make_call(url="/none", response_code=404)
    assert set(shown(admin, **query)) == found


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("success", 301),
        ("success", 304),
        ("success", 307),
        ("blocked", 403),
        ("failed", 400),
        ("failed", 599),
        ("other", 0),
        ("other", 999),
        ("other", 302),
        ("other", 404),
        ("other", 499),
    ],
)
def test_classes_are_those_of_the_reports(admin, name, code):
    make_call(url="/it", response_code=code)
    in_class = {one: bool(shown(admin, **{"class": one})) for one in call_search.CLASSES}
    assert in_class == {one: one == name for one in call_search.CLASSES}


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"api": "x"}, "API: “x” is no number."),
        ({"api": "9" * 40}, "is no number."),
        ({"api": "0" * 20 + "9" * 20}, "is no number."),
        ({"subscription": "x"}, "Subscription: “x” is none"),
        ({"class": "x"}, "“x” is none of success, blocked, failed, other."),
        ({"code": "99"}, "“99” is no status"),
        ({"country": "Germany"}, "“Germany” is no country"),
        ({"min_ms": "nan"}, "“nan” is no number of milliseconds."),
        ({"q": "orders"}, "“orders” is not how a URL begins here"),
        ({"user": "<script>"}, "“&lt;script&gt;” is no number."),
        ({"period": "x"}, "There is no period “x”."),
    ],
)
def test_what_cannot_be_read_is_told_and_left_out(admin, query, told):
    make_call(url="/a")
    answer = admin.get(LIST, query)
    assert told in answer.text
    assert [row.call.url for row in answer.context["rows"]] == ["/a"]


def test_calls_without_an_answer_are_found_from_their_row_of_the_response_codes(admin):
    make_call(url="/left", response_code=0, error_reason="ClientConnectionFailure")
    make_call(url="/answered")
    (link,) = re.findall(r'href="(/admin/analytics/call/[^"]*code=0[^"]*)"', admin.get("/admin/usage/by/code/").text)[
        :1
    ]
    answer = admin.get(html.unescape(link))
    assert [row.call.url for row in answer.context["rows"]] == ["/left"]
    assert [str(chip.value) for chip in answer.context["chips"]] == ["No answer"]


def test_chips_name_what_is_filtered_and_take_one_away(admin, api, mine, alice):
    query = {"api": api.pk, "subscription": mine.pk, "user": alice.pk, "class": "failed", "period": "hour"}
    answer = admin.get(LIST, query)
    chips = {str(chip.label): chip for chip in answer.context["chips"]}
    named = {label: chip.value for label, chip in chips.items()}
    assert (named["API"], named["Subscription"], named["Class"]) == ("AzureML Demo API", "Mine", "Failed")
    left = parse_qs(chips["API"].without)
    assert left == {name: [str(value)] for name, value in query.items() if name != "api"}


def test_a_link_from_a_chart_s_bar_shows_its_quarter(admin):
    at = datetime(2026, 3, 1, 10, 20, tzinfo=UTC)
    for url, moment in (("/before", at - timedelta(minutes=10)), ("/in", at), ("/after", at + timedelta(minutes=10))):
        make_call(url=url, at=moment)
    bar = {"period": "custom", "from": "2026-03-01T10:15Z", "to": "2026-03-01T10:30Z"}
    assert shown(admin, **bar) == ["/in"]


def test_a_form_s_empty_fields_do_not_stay_in_the_address(admin):
    answer = admin.get(LIST, {"api": "7", "operation": "", "code": "", "period": "hour"})
    assert parse_qs(urlsplit(answer["Location"]).query) == {"api": ["7"], "period": ["hour"]}


def test_request_id_leads_to_the_call_whenever_it_was(admin):
    old = make_call(at=timezone.now() - timedelta(days=400))
    answer = admin.get(LIST, {"q": str(old.request_id), "period": "hour"}, follow=True)
    assert answer.redirect_chain[-1][0] == reverse("admin:analytics_call_change", args=[old.pk])


def test_pages_go_back_in_time_without_a_gap(admin, monkeypatch):
    monkeypatch.setattr(call_list, "SHOWN", 3)
    at = timezone.now().replace(microsecond=0) - timedelta(minutes=1)
    for number in range(8):
        make_call(url=f"/{number}", at=at - timedelta(seconds=number // 3))
    seen, address = [], ""
    for _page in range(3):
        answer = admin.get(f"{LIST}?{address}")
        seen += [row.call.url for row in answer.context["rows"]]
        address = answer.context["older"]
    assert (sorted(seen), address) == ([f"/{number}" for number in range(8)], "")


@pytest.mark.parametrize("before", ["x", "1", "9" * 18 + ".1", "99999999999999999999.1", "-1.1"])
def test_a_page_that_cannot_be_is_answered(admin, before):
    assert admin.get(LIST, {"before": before}).status_code == 200


def test_rare_calls_are_looked_for_step_by_step(admin, monkeypatch):
    monkeypatch.setattr(call_search, "LOOKED_AT", 4)
    at = timezone.now().replace(microsecond=0) - timedelta(minutes=1)
    for number in range(20):
        make_call(
            url=f"/{number}", at=at - timedelta(seconds=number // 2), response_code=202 if number in (3, 17) else 200
        )
    assert shown(admin, code="202") == ["/3", "/17"]
    monkeypatch.setattr(call_list, "PATIENCE_SECONDS", 0)
    seen, address = [], "code=202"
    for _page in range(10):
        answer = admin.get(f"{LIST}?{address}")
        seen += [row.call.url for row in answer.context["rows"]]
        if not answer.context["older"]:
            break
        assert "Look further back" in answer.text
        address = answer.context["older"]
    assert seen == ["/3", "/17"]
    assert address != "code=202"


@pytest.mark.parametrize("query", [{"code": "500"}, {"code": "5xx"}, {"class": "failed"}])
def test_errors_are_found_among_errors_however_many_other_calls_there_are(admin, monkeypatch, query):
    monkeypatch.setattr(call_search, "LOOKED_AT", 4)
    monkeypatch.setattr(call_list, "PATIENCE_SECONDS", 0)
    for number in range(20):
        make_call(
            url=f"/{number}",
            at=timezone.now() - timedelta(seconds=number + 1),
            response_code=500 if number in (3, 17) else 200,
        )
    assert shown(admin, **query) == ["/3", "/17"]


def test_no_question_reads_calls_without_an_end(admin):
    make_call(api_id=7, response_code=500)
    with CaptureQueriesContext(connection) as queries:
        shown(admin, api="7", code="500")
    asked = [one["sql"] for one in queries if 'FROM "analytics_call"' in one["sql"]]
    assert asked
    for sql in asked:
        assert "LIMIT" in sql
        assert "COUNT(" not in sql


# -- One call ----------------------------------------------------------------------------------


def page_of(browser, call: Call):
    answer = browser.get(reverse("admin:analytics_call_change", args=[call.pk]))
    assert answer.status_code == 200
    return answer


def test_page_of_a_call_tells_all_that_is_recorded(admin, operation, mine, alice):
    call = make_call(
        api_id=operation.api_id,
        operation_id=operation.pk,
        product_id=mine.product_id,
        subscription_id=mine.pk,
        user_id=alice.pk,
        url="/azureml-demo/status?x=1",
        backend_code=200,
        total_ms=12.5,
        backend_ms=10,
        request_bytes=700,
        response_bytes=3000,
    )
    page = page_of(admin, call).text
    for text in ("AzureML Demo API", "Status", "Starter", "Mine", "alice@example.org", "/azureml-demo/status?x=1"):
        assert text in page
    for text in ("192.0.2.1", "12.5 ms", "10.0 ms", "2.5 ms", "700", "2.9", "g1", str(call.request_id)):
        assert text in page
    for name, key in (("subscriptions_subscription", mine.pk), ("apis_api", operation.api_id)):
        assert reverse(f"admin:{name}_change", args=[key]) in page
    assert "Where it ended" not in page


def test_page_of_a_refused_call_says_who_refused_it_and_what_to_do(admin, mine):
    call = make_call(
        response_code=429, subscription_id=mine.pk, error_source="rate-limit", error_reason="RateLimitExceeded"
    )
    page = page_of(admin, call).text
    assert "Too many calls with this subscription" in page
    assert "Where it ended: Gateway" in page
    assert "Wait, or use a subscription that has no such limit." in page


def test_page_leads_to_the_calls_before_and_after_it_by_the_same_subscription(admin):
    at = timezone.now()
    first, middle, last = (make_call(subscription_id=GUID, at=at + timedelta(seconds=n // 2)) for n in range(3))
    make_call(subscription_id=uuid.uuid4(), at=at)
    assert (page_of(admin, first).context["before"], page_of(admin, first).context["after"]) == (None, middle.pk)
    assert (page_of(admin, middle).context["before"], page_of(admin, middle).context["after"]) == (first.pk, last.pk)
    assert (page_of(admin, last).context["before"], page_of(admin, last).context["after"]) == (middle.pk, None)


def test_calls_like_it_are_of_its_day_its_operation_and_its_end(admin):
    call = make_call(api_id=7, operation_id=71, response_code=500, url="/it", at=timezone.now() - timedelta(days=5))
    for fields in ({"operation_id": 72}, {"response_code": 200}, {"at": timezone.now()}):
        make_call(**{"api_id": 7, "operation_id": 71, "response_code": 500, "at": call.at, "url": "/other"} | fields)
    assert [
        row.call.url for row in admin.get(f"{LIST}?{page_of(admin, call).context['like_this']}").context["rows"]
    ] == ["/it"]


def test_page_shows_the_headers_the_country_and_the_key_of_a_call_that_failed(admin, mine):
    key = mine.keys.first()
    call = make_call(
        subscription_id=mine.pk,
        key_prefix=key.digest[:16],
        country="DE",
        region="eu-1",
        response_code=401,
        request_headers=[["user-agent", "<curl>"], ["authorization", "***"]],
    )
    page = page_of(admin, call).text
    for text in ("Germany", "eu-1", f"{key.prefix}…", "&lt;curl&gt;", "authorization"):
        assert text in page


def test_address_that_is_not_kept_is_said_not_to_be(admin, settings):
    settings.CALLER_ADDRESSES = "none"
    assert "Not kept (CALLER_ADDRESSES)" in page_of(admin, make_call(caller_address="")).text


def test_what_a_caller_sent_is_shown_as_text(admin):
    call = make_call(url="/<script>alert(1)</script>", method="<b>", caller_address="<i>")
    for page in (page_of(admin, call).text, admin.get(LIST).text, admin.get(TAIL).text):
        assert "<script>alert(1)" not in page
        assert "&lt;script&gt;alert(1)" in page


# -- Live tail ---------------------------------------------------------------------------------


def poll(browser, **query):
    return browser.get(TAIL, query, headers={"HX-Request": "true"})


def test_tail_shows_the_latest_calls_and_says_how_fresh_it_is(admin, monkeypatch):
    monkeypatch.setattr(call_tail, "SHOWN", 2)
    for number in range(3):
        make_call(url=f"/call-{number}", at=timezone.now() - timedelta(seconds=10 - number))
    page = admin.get(TAIL).text
    assert page.index("/call-2") < page.index("/call-1")
    assert "/call-0" not in page
    assert "a second or two after it ended" in page


def test_poll_is_empty_until_a_call_comes_in(admin):
    first = make_call(url="/first")
    assert poll(admin, since=first.pk).status_code == 204
    make_call(url="/second")
    answer = poll(admin, since=first.pk)
    assert answer.text.startswith('<section id="tail"') or '<section id="tail"' in answer.text
    assert "/second" in answer.text
    assert "<html" not in answer.text


def test_tail_has_the_filters_of_the_list(admin):
    make_call(url="/good")
    make_call(url="/bad", response_code=500)
    assert [row.call.url for row in admin.get(TAIL, {"class": "failed"}).context["rows"]] == ["/bad"]


def test_paused_tail_asks_no_more(admin):
    make_call()
    assert "hx-trigger" in poll(admin).text
    paused = poll(admin, paused=1).text
    assert "hx-trigger" not in paused
    assert "Resume" in paused


def test_screen_readers_are_told_of_news_now_and_then(admin):
    seen = make_call()
    make_call()
    now = int(timezone.now().timestamp())
    assert 'role="status"' not in poll(admin, since=seen.pk, told_at=now, told_of=seen.pk).text
    told = poll(admin, since=seen.pk, told_at=now - 60, told_of=seen.pk).text
    assert "1 further call<" in told


def test_tail_of_an_ended_session_opens_a_whole_sign_in_page(service, client):
    answer = client.get(
        TAIL,
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/admin/analytics/call/tail/"},
        follow=True,
    )
    assert answer["HX-Redirect"] == "/account/login/?next=%2Fadmin%2Fanalytics%2Fcall%2Ftail%2F"


# -- Files -------------------------------------------------------------------------------------


def file_of(browser, **query) -> tuple[str, bytes]:
    answer = browser.post(EXPORT, query)
    assert answer.status_code == 200
    return answer["Content-Disposition"], b"".join(answer.streaming_content)


@pytest.fixture
def recorded(operation, mine, alice):
    return make_call(
        at=timezone.now().replace(microsecond=250_000),
        api_id=operation.api_id,
        operation_id=operation.pk,
        product_id=mine.product_id,
        subscription_id=mine.pk,
        user_id=alice.pk,
        url="/azureml-demo/status",
    )


def test_file_has_the_calls_of_the_list_with_names(admin, recorded):
    make_call(url="/other")
    _name, content = file_of(admin, format="csv", api=recorded.api_id)
    (line,) = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    names = ("api", "operation", "product", "subscription", "user", "url", "response_code", "total_ms")
    assert [line[name] for name in names] == [
        "AzureML Demo API", "Status", "Starter", "Mine", "alice@example.org", "/azureml-demo/status", "200", "1.5",
    ]  # fmt: skip
    assert (line["request_id"], line["at"]) == (str(recorded.request_id), recorded.at.isoformat())


def test_json_and_parquet_have_the_same(admin, recorded):
    (row,) = json.loads(file_of(admin, format="json")[1])
    assert (row["api"], row["total_ms"], row["backend_ms"]) == ("AzureML Demo API", 1.5, None)
    (typed,) = ParquetFile(io.BytesIO(file_of(admin, format="parquet")[1])).read().to_pylist()
    assert (typed["at"], typed["api_id"], typed["subscription_id"]) == (
        recorded.at, recorded.api_id, str(recorded.subscription_id),
    )  # fmt: skip


def test_method_of_a_call_becomes_no_formula(admin):
    make_call(method="=cmd|'/c calc'!A1")
    (line,) = csv.DictReader(io.StringIO(file_of(admin, format="csv")[1].decode("utf-8-sig"), newline=""))
    assert line["method"] == "'=cmd|'/c calc'!A1"


def test_file_that_is_cut_says_so_by_its_name(admin, monkeypatch):
    monkeypatch.setattr(call_export, "MOST_ROWS", 3)
    monkeypatch.setattr(call_export, "BATCH_ROWS", 2)
    for number in range(4):
        make_call(url=f"/{number}", at=timezone.now() - timedelta(seconds=number))
    name, content = file_of(admin, format="json")
    assert "-first-3-rows.json" in name
    assert [row["url"] for row in json.loads(content)] == ["/0", "/1", "/2"]
    Call.objects.filter(url="/3").delete()
    name, content = file_of(admin, format="json")
    assert "first" not in name
    assert len(json.loads(content)) == 3


def test_file_of_calls_is_noted_in_the_audit_log(admin, admin_user):
    make_call()
    file_of(admin, format="csv", code="200")
    entry = Entry.objects.latest("pk")
    assert entry.actor_id == admin_user.pk
    assert entry.text == "Exported calls as CSV: code=200&period=day"


def test_nothing_is_noted_of_what_cannot_be_read(admin):
    answer = admin.post(EXPORT, {"format": "csv", "api": "x"})
    assert answer.status_code == 302
    assert admin.get(EXPORT).status_code == 405
    assert not Entry.objects.filter(text__startswith="Exported").exists()


# -- Who may -----------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.PUBLISHER])
def test_every_role_may_look_and_download(service, alice, signed_in, role):
    give(alice, role)
    call = make_call()
    browser = signed_in(alice)
    for address in (LIST, TAIL, reverse("admin:analytics_call_change", args=[call.pk])):
        assert browser.get(address).status_code == 200
    assert browser.post(EXPORT, {"format": "csv"}).status_code == 200
    assert Entry.objects.latest("pk").actor_id == alice.pk


def test_staff_without_the_right_and_developers_are_kept_out(service, alice, mallory, signed_in):
    call = make_call()
    alice.is_staff = True
    alice.save()
    page = reverse("admin:analytics_call_change", args=[call.pk])
    for person in (alice, mallory):
        browser = signed_in(person)
        for address in (LIST, TAIL, page):
            assert browser.get(address).status_code in (302, 403)
        assert browser.post(EXPORT, {"format": "csv"}).status_code in (302, 403)
    assert not Entry.objects.filter(text__startswith="Exported").exists()


def test_who_may_not_see_people_does_not_find_calls_by_them(service, alice, signed_in):
    alice.is_staff = True
    alice.save()
    alice.user_permissions.add(Permission.objects.get(codename="view_call"))
    make_call(url="/a", user_id=5)
    make_call(url="/b", user_id=6)
    browser = signed_in(alice)
    assert set(shown(browser, user="5")) == {"/a", "/b"}
    for url in (LIST, TAIL):
        assert "User: you may not choose one. You see all." in browser.get(url, {"user": "5"}).text
