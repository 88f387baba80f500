"""The publisher's dashboard: its numbers are those of the calls, and nobody else sees them."""

import csv
import io
import json
import random
import re
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from html import unescape
from math import ceil
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.roles import Role, give
from analytics import rollups
from analytics.ingest import ingest
from analytics.models import CallKind, CountryQuarter
from analytics.reports import codes
from apis.models import API, Operation
from service.setup import create_service
from subscriptions import lifecycle
from subscriptions.models import Product
from tests.analytics.conftest import MINE, NOON, record
from tests.analytics.reading import links_of, numbers, read, table_of, text_of

BERLIN, KOLKATA = "Europe/Berlin", "Asia/Kolkata"
BLOCKED, FAILED = {401, 403, 429}, {400, 500, 502}
CODES = [200] * 12 + [301, 304, 404, *BLOCKED, *FAILED]
WEEK = {"period": "custom", "from": "2026-03-02", "to": "2026-03-08"}


@pytest.fixture
def service(db):
    return create_service(name="demoazureml", organization_name="Contoso", administrator_email="owner@example.org")


@pytest.fixture
def publisher(service, bob, signed_in):
    bob.time_zone = BERLIN
    bob.save()
    give(bob, Role.PUBLISHER)
    return signed_in(bob)


@pytest.fixture
def called(write, tmp_path):
    """Lets calls be made, and waits until reports know them."""

    def call(*records) -> None:
        write(*records)
        ingest(tmp_path)
        while rollups.settle():
            pass

    return call


@pytest.fixture
def page(publisher):
    """What the publisher sees: `page("overview", period="7d")`, with what the browser fetches into it."""

    def get(name: str = "overview", *arguments: str, **parameters: str):
        answer = publisher.get(reverse(f"usage:{name}", args=arguments), parameters)
        assert answer.status_code == 200
        if name != "overview":
            return read(answer.text)
        address = unescape(re.search(r'id="rankings" hx-get="([^"]+)"', answer.text)[1])
        fetched = publisher.get(address, headers={"HX-Request": "true"})
        assert fetched.status_code == 200
        return read(f"{answer.text}<div>{fetched.text}</div>")

    return get


def random_calls(count: int = 400, *, start: datetime = NOON - timedelta(days=12), days: float = 20, **fields) -> list:
    draw = random.Random(11)
    return [
        record(
            number,
            at=start.timestamp() + draw.uniform(0, days * 86400),
            **{
                "api": draw.choice([1, 2, 3]),
                "operation": draw.randrange(1, 30),
                "subscription": uuid.UUID(int=draw.randrange(1, 5)).bytes,
                "response_code": draw.choice(CODES),
                "total_seconds": draw.lognormvariate(-3, 1),
                "request_bytes": draw.randrange(10_000),
                "response_bytes": draw.randrange(100_000),
            }
            | fields,
        )
        for number in range(count)
    ]


def within(calls: list, start: str, end: str, zone: str = BERLIN) -> list:
    """Those of these days of the zone, the last one included."""
    first = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone)).timestamp()
    last = (datetime.fromisoformat(end) + timedelta(days=1)).replace(tzinfo=ZoneInfo(zone)).timestamp()
    return [call for call in calls if first <= call.at < last]


def classes(calls: list) -> Counter:
    def kind(code: int) -> str:
        if code in BLOCKED:
            return "Blocked"
        return "Failed" if code in FAILED else "Other" if code == 404 else "Successful"

    return Counter(kind(call.response_code) for call in calls)


def milliseconds(text: str) -> float:
    number, unit = text.replace("\xa0", " ").split()
    return float(number) * {"µs": 0.001, "ms": 1, "s": 1000}[unit]


def percent(part: int, whole: int) -> str:
    return f"{part / whole * 100:.3g} %"


def test_the_numbers_are_those_of_the_calls(called, page):
    calls = random_calls()
    called(*calls)
    shown, before = within(calls, "2026-03-02", "2026-03-08"), within(calls, "2026-02-23", "2026-03-01")
    found = numbers(page(**WEEK))
    assert found["Calls"][0] == str(len(shown))
    assert found["Calls"][1].endswith(f"before: {len(before)}")
    assert found["Failed"][0] == percent(classes(shown)["Failed"], len(shown))
    assert found["Blocked"][0] == percent(classes(shown)["Blocked"], len(shown))
    assert found["Bandwidth"][0] == f"{sum(c.request_bytes + c.response_bytes for c in shown) / 1e6:.3g} MB"
    times = sorted(call.total_seconds * 1000 for call in shown)
    for share in (50, 95, 99):
        exact = times[ceil(share / 100 * len(times)) - 1]
        assert milliseconds(found[f"Latency, p{share}"][0]) == pytest.approx(exact, rel=0.025)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        pytest.param(KOLKATA, "2026-03-04", 24, id="half an hour off"),
        pytest.param(BERLIN, "2026-03-29", 23, id="summer time begins"),
        pytest.param(BERLIN, "2026-10-25", 25, id="summer time ends"),
    ],
)
def test_hours_of_a_day_add_up_by_the_viewer_s_clock(called, page, bob, zone, day, hours):
    bob.time_zone = zone
    bob.save()
    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
    calls = random_calls(start=midnight - timedelta(days=1), days=3)
    called(*calls)
    (_, *rows) = table_of(page(period="custom", **{"from": day, "to": day}), "chart-calls-title")
    expected = Counter(
        datetime.fromtimestamp(call.at, ZoneInfo(zone)).strftime("%H:00 %Z") for call in within(calls, day, day, zone)
    )
    found = Counter({f"{row[0].split(', ')[1][:5]} {row[0].split()[-1]}": int(row[-1]) for row in rows})
    if zone == KOLKATA:
        assert found.total() == expected.total()
    assert +found == expected
    assert len(rows) == hours


def test_bars_have_the_classes_of_their_calls(called, page):
    calls = random_calls()
    called(*calls)
    (head, *rows) = table_of(page(**WEEK), "chart-calls-title")
    assert head == ["Time", "Failed", "Blocked", "Other", "Successful", "Calls"]
    shown = classes(within(calls, "2026-03-02", "2026-03-08"))
    for number, name in enumerate(head[1:-1], 1):
        assert sum(int(row[number]) for row in rows) == shown[name]


def test_tables_sum_the_calls_of_each_row(called, page):
    names = ["Echo", "Orders", "<script>alert(1)</script>"]
    for number, name in enumerate(names, 1):
        API.objects.create(pk=number, name=f"a{number}", display_name=name, path=f"a{number}", service_url="http://a")
    calls = random_calls()
    called(*calls)
    shown = Counter(names[call.api - 1] for call in within(calls, "2026-03-02", "2026-03-08"))
    found = {row[0].rsplit(" /", 1)[0]: row[1] for row in table_of(page(**WEEK), "by-api")[1:]}
    assert found == {name: str(count) for name, count in shown.items()}
    full = {row[0].rsplit(" /", 1)[0]: row[2] for row in table_of(page("table", "api", **WEEK), "rows")[1:]}
    assert full == found


def test_nothing_is_said_to_have_changed_where_nothing_was_called(page):
    assert table_of(page(**WEEK), "movers") == []


def test_what_changed_most_stands_first(called, page):
    before, now = NOON - timedelta(days=7), NOON
    amounts = {1: (5, 6), 2: (3, 40), 3: (30, 10)}
    calls = []
    for api, (earlier, later) in amounts.items():
        API.objects.create(pk=api, name=f"a{api}", display_name=f"API {api}", path=f"a{api}", service_url="http://a")
        calls += [record(len(calls) + n, at=before.timestamp(), api=api) for n in range(earlier)]
        calls += [record(len(calls) + n, at=now.timestamp(), api=api) for n in range(later)]
    called(*calls)
    rows = [row for row in table_of(page(**WEEK), "movers") if row[0].startswith("API ")]
    assert [(row[0].split(" /")[0], row[1], row[2]) for row in rows] == [
        ("API 2", "3", "40"),
        ("API 3", "30", "10"),
        ("API 1", "5", "6"),
    ]


def test_a_period_that_still_runs_is_compared_with_as_much_of_the_one_before(called, page):
    now = timezone.now()
    early, late = now - timedelta(days=7, hours=1), now - timedelta(days=7) + timedelta(hours=1)
    called(
        record(1, at=now.timestamp() - 1),
        record(2, at=early.timestamp()),
        *(record(n, at=late.timestamp()) for n in (3, 4)),
    )
    found = numbers(page(period="day"))["Calls"]
    assert found[0] == "1"
    week = {"period": "custom", "from": f"{now:%Y-%m-%d}", "to": f"{now + timedelta(days=6):%Y-%m-%d}"}
    assert "before: 1" in numbers(page(**week))["Calls"][1] or now.hour in (0, 22, 23)


def test_without_comparison_nothing_is_compared(called, page):
    called(*random_calls(50))
    found = page(**WEEK, compare="no")
    assert all(len(values) == 1 for values in numbers(found).values())
    assert table_of(found, "movers") == []
    assert "Change" not in [text_of(one) for one in found.iter("th")]


def test_filters_narrow_everything_and_stay_in_the_links(called, page):
    calls = random_calls()
    called(*calls)
    within_week = within(calls, "2026-03-02", "2026-03-08")
    operation = next(call.operation for call in within_week if call.api == 2)
    shown = [call for call in within_week if (call.api, call.operation) == (2, operation)]
    found = page(**WEEK, api="2", operation=str(operation))
    assert numbers(found)["Calls"][0] == str(len(shown))
    assert table_of(found, "by-api") == []
    for link in links_of(found, "by-subscription").values():
        query = parse_qs(urlsplit(link).query)
        assert (query["api"], query["operation"], query["from"]) == (["2"], [str(operation)], [WEEK["from"]])
        assert "subscription" in query


def test_bars_and_rows_lead_to_their_calls(called, page, settings):
    settings.RAW_CALL_DAYS = 3650
    called(record(1, at=datetime(2026, 3, 4, 13, 20, tzinfo=UTC).timestamp(), api=3))
    found = page(period="custom", **{"from": "2026-03-04", "to": "2026-03-04"}, api="3")
    bar = next(link for text, link in links_of(found, "chart-calls-title").items() if ", 14:00" in text)
    assert urlsplit(bar).path == reverse("admin:analytics_call_changelist")
    assert parse_qs(urlsplit(bar).query) == {
        "period": ["custom"],
        "from": ["2026-03-04T13:00Z"],
        "to": ["2026-03-04T14:00Z"],
        "api": ["3"],
    }
    failed = parse_qs(urlsplit(links_of(found, "by-status")["Failed"]).query)
    assert (failed["class"], failed["api"]) == (["failed"], ["3"])
    row = parse_qs(urlsplit(links_of(found, "by-product")["1"]).query)
    assert (row["product"], row["api"]) == (["3"], ["3"])


def test_bars_older_than_single_calls_lead_to_their_own_bars(called, page, settings):
    settings.RAW_CALL_DAYS = 30
    called(record(1, at=NOON.timestamp()))
    links = list(links_of(page(**WEEK), "chart-calls-title").values())
    assert {urlsplit(link).path for link in links} == {reverse("usage:overview")}


def test_response_codes_are_counted_from_single_calls(called, page):
    calls = random_calls()
    called(*calls, record(1000, api=None, response_code=404))
    shown = Counter(str(call.response_code) for call in within(calls, "2026-03-02", "2026-03-08") if call.api == 2)
    found = page("table", "code", **WEEK, api="2")
    assert +Counter({row[0].split()[0]: int(row[1]) for row in table_of(found, "rows")[1:]}) == shown
    link = urlsplit(next(url for text, url in links_of(found, "rows").items() if text == "429"))
    assert (parse_qs(link.query)["code"], parse_qs(link.query)["api"]) == (["429"], ["2"])
    assert [row[:2] for row in table_of(page("table", "code", **WEEK, api="0"), "rows")[1:]] == [["404 Not Found", "1"]]


def test_of_very_many_calls_the_latest_tell_the_response_codes(called, page, monkeypatch):
    monkeypatch.setattr(codes, "LATEST", 10)
    called(*(record(n, response_code=500 if n < 20 else 200) for n in range(30)))
    found = page("table", "code", **WEEK)
    assert [row[:2] for row in table_of(found, "rows")[1:]] == [["200 OK", "10"]]
    assert "these are the latest 100,000, since 4 March 2026" in text_of(found)
    hour = {"from": "2026-03-04T12:00Z", "to": "2026-03-04T13:00Z"}
    monkeypatch.setattr(codes, "LATEST", 30)
    found = page("table", "code", period="custom", **hour)
    assert [row[:2] for row in table_of(found, "rows")[1:]] == [["500 Internal Server Error", "20"], ["200 OK", "10"]]
    assert "these are the latest" not in text_of(found)


def test_response_codes_of_one_api_reach_back_behind_the_calls_of_others(called, page, publisher, monkeypatch):
    monkeypatch.setattr(codes, "LATEST", 10)
    called(*(record(n, api=5, response_code=404) for n in range(5)), *(record(n) for n in range(10, 40)))
    found = page("table", "code", **WEEK, api="5")
    assert [row[:2] for row in table_of(found, "rows")[1:]] == [["404 Not Found", "5"]]
    assert "these are the latest" not in text_of(found)
    file = publisher.get(reverse("usage:table", args=["code"]), {**WEEK, "format": "csv"})
    assert re.search(r"from-2026-03-04-\d{6}\.csv", file["Content-Disposition"]), "the name says since when"


def test_countries_are_told_by_name_and_by_api(called, page):
    called(*(record(n) for n in range(5)), record(6, api=9))
    kind = CallKind.objects.get(pk=CountryQuarter.objects.get(kind__api_id=1).kind_id)
    kind.country = "DE"
    kind.save()
    found = {row[0]: row[1] for row in table_of(page(**WEEK), "by-country")[1:]}
    assert found == {"Germany DE": "5", "Not known": "1"}
    links = links_of(page("table", "country", **WEEK), "rows")
    assert parse_qs(urlsplit(links["Germany"]).query)["country"] == ["DE"]
    assert parse_qs(urlsplit(links["Not known"]).query)["country"] == ["none"]
    assert [row[0] for row in table_of(page(**WEEK, api="9"), "by-country")[1:]] == ["Not known"]
    assert table_of(page(**WEEK, operation="2"), "by-country") == []


def test_what_is_gone_or_never_was_has_a_name(called, page):
    called(record(1, api=77), record(2, api=None, operation=None, product=None, subscription=None, user=None))
    names = [row[0] for row in table_of(page(**WEEK), "by-api")[1:]]
    assert sorted(names) == ["Deleted 77", "No API"]


def test_rows_come_in_any_order_and_page_by_page(called, page):
    called(*(record(n, operation=n % 60 + 1, total_seconds=(n % 60 + 1) / 100) for n in range(120)))
    for number in range(1, 61):
        api, _ = API.objects.get_or_create(pk=1, defaults={"name": "e", "path": "e", "service_url": "http://e"})
        Operation.objects.create(
            pk=number,
            api=api,
            name=f"o{number}",
            display_name=f"Op {number:02}",
            method="GET",
            url_template=f"/{number}",
        )
    first = [row[0] for row in table_of(page("table", "operation", **WEEK, order="name"), "rows")[1:]]
    second = [row[0] for row in table_of(page("table", "operation", **WEEK, order="name", page="2"), "rows")[1:]]
    assert first + second == [f"Op {number:02}" for number in range(1, 61)]
    slowest = [row[0] for row in table_of(page("table", "operation", **WEEK, order="-time"), "rows")[1:4]]
    assert slowest == ["Op 60", "Op 59", "Op 58"]


def test_a_table_is_downloaded_whole(called, publisher):
    calls = random_calls()
    called(*calls)
    shown = within(calls, "2026-03-02", "2026-03-08")
    answer = publisher.get(reverse("usage:table", args=["subscription"]), {**WEEK, "format": "csv"})
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    expected = Counter(str(uuid.UUID(bytes=call.subscription)) for call in shown)
    assert {row["subscription"]: int(row["calls"]) for row in rows} == expected
    assert sum(int(row["bytes"]) for row in rows) == sum(c.request_bytes + c.response_bytes for c in shown)
    answer = publisher.get(reverse("usage:overview"), {**WEEK, "format": "json"})
    series = json.loads(b"".join(answer.streaming_content))
    assert sum(row["calls"] for row in series) == len(shown)
    assert (series[0]["from"], len(series)) == ("2026-03-02T00:00:00+01:00", 28)


@pytest.mark.parametrize(
    "parameters",
    [
        {"period": "'; DROP TABLE x"},
        {"period": "custom", "from": "2026-13-45", "to": "9" * 9000},
        {"api": "x", "operation": "-1", "product": "9" * 30, "subscription": "no", "user": "\x00"},
        {"api": "٣", "subscription": "00000000-0000-0000-0000-00000000000g"},
        {"order": "password", "page": "-3"},
        {"order": "-", "page": "x" * 5000},
        {"format": "exe", "compare": "😀"},
    ],
)
def test_a_hostile_address_shows_the_default_and_says_so(publisher, parameters):
    for url in (reverse("usage:overview"), reverse("usage:table", args=["api"])):
        answer = publisher.get(url, parameters)
        assert answer.status_code == 200
        told = [text_of(one) for one in read(answer.text).iter("p") if one.get("role") == "alert"]
        assert len(told) == len(parameters.keys() & {"api", "operation", "product", "subscription", "user", "period"})


def test_no_such_table_is_not_found(publisher):
    for name in ("password", "api_id", "pk"):
        assert publisher.get(f"/admin/usage/by/{name}/").status_code == 404


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.PUBLISHER, Role.ADMINISTRATOR])
def test_staff_see_usage_and_find_it_in_the_menu(service, alice, signed_in, role):
    give(alice, role)
    browser = signed_in(alice)
    assert browser.get(reverse("usage:overview")).status_code == 200
    assert 'href="/admin/usage/"' in browser.get("/admin/audit/entry/").text


def test_developers_and_guests_are_kept_out(service, alice, signed_in, client):
    for url in (reverse("usage:overview"), reverse("usage:table", args=["user"])):
        for browser in (client, signed_in(alice)):
            assert browser.get(url).status_code == 302


def test_who_may_not_see_calls_sees_no_usage(service, alice, signed_in):
    alice.is_staff = True
    alice.save()
    browser = signed_in(alice)
    assert browser.get(reverse("usage:overview")).status_code == 403
    assert 'href="/admin/usage/"' not in browser.get("/admin/").text


def test_who_may_see_calls_only_sees_no_people(called, service, alice, signed_in):
    from django.contrib.auth.models import Permission

    alice.is_staff = True
    alice.save()
    alice.user_permissions.add(Permission.objects.get(codename="view_call"))
    subscription = lifecycle.create(display_name="Secret name", by=alice, product=Product.objects.get(name="starter"))
    called(record(1, subscription=subscription.pk.bytes))
    browser = signed_in(alice)
    for page in ("overview", "rankings"):
        answer = browser.get(reverse(f"usage:{page}"), WEEK)
        assert answer.status_code == 200
        assert "Secret name" not in answer.text
    for name, label in (("user", "User"), ("subscription", "Subscription")):
        assert browser.get(reverse("usage:table", args=[name])).status_code == 404
        told = browser.get(reverse("usage:overview"), {name: str(subscription.pk)}).text
        assert "Only calls of" not in told
        assert f"{label}: you may not choose one. You see all." in told


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        pytest.param({"user": "alice"}, "User: “alice” is no number of one. You see all.", id="no number"),
        pytest.param({"country": "DE"}, "Country: only single calls can be narrowed to one.", id="country"),
        pytest.param({"code": "500"}, "Response code: only single calls can be narrowed to one.", id="code"),
        pytest.param({"period": "year"}, "There is no period “year”.", id="period"),
    ],
)
def test_what_of_an_address_cannot_be_used_is_told_and_no_file_is_made_without_it(called, publisher, parameters, told):
    called(*random_calls(20))
    for url in (reverse("usage:overview"), reverse("usage:table", args=["api"])):
        answer = publisher.get(url, parameters | {"format": "csv"})
        assert answer.status_code == 200
        assert told in answer.text


def test_who_called_is_a_page_too_where_no_script_runs(called, page):
    called(*random_calls(20))
    (link,) = (one for one in page(**WEEK).iter("a") if text_of(one) == "Who called, and what changed most")
    assert urlsplit(link.get("href", "")).path == reverse("usage:rankings")
    assert len(table_of(page("rankings", **WEEK), "by-api")) > 1


def test_a_page_asks_as_much_however_much_there_is(called, publisher):
    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            publisher.get(reverse("usage:overview"), WEEK)
            publisher.get(reverse("usage:rankings"), WEEK, headers={"HX-Request": "true"})
        return len(captured)

    called(*random_calls(20))
    few = count()
    called(*random_calls(500, subscription=MINE.bytes))
    assert count() == few <= 65


def test_charts_are_well_formed_and_nothing_is_inline(called, page, publisher):
    called(*random_calls(50))
    text = publisher.get(reverse("usage:overview"), WEEK).text
    body = text[text.index('<div class="usage">') :]
    assert "style=" not in body
    assert "onclick" not in body
    figures = list(page(**WEEK).iter("figure"))
    assert len(figures) >= 4
    for figure in figures:
        assert {"figcaption", "svg", "table"} <= {one.tag for one in figure.iter()}
