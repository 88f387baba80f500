"""Reports for programs: Azure's rows, and values that agree with the calls and with one another."""

import random
import uuid
from datetime import UTC, datetime, timedelta
from math import ceil
from zoneinfo import ZoneInfo

import pytest
from django.db.models import Q

from analytics import rollups
from analytics.ingest import ingest
from analytics.periods import Span, Step, buckets, last_days
from analytics.reports import azure
from analytics.reports.azure import Query
from analytics.reports.filters import FilterError
from analytics.reports.totals import Selection, by_bucket, percentiles, totals
from apis.models import API
from tests.analytics.conftest import MINE, NOON, record

pytestmark = pytest.mark.django_db
THEIRS = uuid.UUID(int=2)
DAY = 24 * 3600


@pytest.fixture
def called(write, tmp_path):
    """Lets calls be made, and waits until reports know them."""

    def call(*records) -> None:
        write(*records)
        ingest(tmp_path)
        while rollups.settle():
            pass

    return call


def span(start: str, end: str) -> Span:
    return Span(datetime.fromisoformat(start), datetime.fromisoformat(end))


def random_calls(count: int, days: int, seed: int = 3) -> list:
    draw = random.Random(seed)
    return [
        record(
            number,
            at=NOON.timestamp() + draw.uniform(0, days * DAY),
            api=draw.choice([1, 2]),
            operation=draw.randrange(1, 4),
            subscription=draw.choice([MINE, THEIRS]).bytes,
            response_code=draw.choice([200, 200, 200, 401, 404, 500]),
            total_seconds=draw.lognormvariate(-3, 1),
        )
        for number in range(count)
    ]


def test_a_row_has_azure_s_fields(called):
    api = API.objects.create(name="echo", display_name="Echo", path="echo", service_url="http://backend.example")
    codes = [200, 401, 500, 404]
    called(*(record(n, api=api.pk, response_code=code, total_seconds=0.1 * (n + 1)) for n, code in enumerate(codes)))
    (row,) = azure.by_api(Query()).rows
    assert (row["name"], row["apiId"], row["operationId"], row["timestamp"]) == ("Echo", api.pk, None, None)
    counts = [row[f"callCount{kind}"] for kind in ("Success", "Blocked", "Failed", "Other", "Total")]
    assert counts == [1, 1, 1, 1, 4]
    assert row["bandwidth"] == 4 * 30
    assert (row["apiTimeAvg"], row["apiTimeMin"], row["apiTimeMax"]) == (250.0, 100.0, 400.0)
    assert (row["serviceTimeAvg"], row["serviceTimeMin"], row["serviceTimeMax"]) == (250.0, 250.0, 250.0)


@pytest.mark.parametrize(
    ("report", "fields", "groups"),
    [
        pytest.param(azure.by_api, ["apiId"], 2, id="byApi"),
        pytest.param(azure.by_operation, ["apiId", "operationId"], 6, id="byOperation"),
        pytest.param(azure.by_product, ["productId"], 1, id="byProduct"),
        pytest.param(azure.by_subscription, ["subscriptionId", "productId", "userId"], 2, id="bySubscription"),
        pytest.param(azure.by_user, ["userId"], 1, id="byUser"),
        pytest.param(azure.by_geo, [], 1, id="byGeo"),
    ],
)
def test_all_reports_sum_up_to_the_same(called, report, fields, groups):
    called(*random_calls(300, days=4))
    page = report(Query())
    assert (page.count, len(page.rows), page.has_more) == (groups, groups, False)
    assert sum(row["callCountTotal"] for row in page.rows) == 300
    assert all(row[field] is not None for row in page.rows for field in fields)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "Asia/Kathmandu", "Europe/Berlin", "America/St_Johns"])
def test_hours_days_and_the_total_agree_in_every_time_zone(called, zone):
    called(*random_calls(400, days=30))
    viewer = ZoneInfo(zone)
    period = last_days(NOON + timedelta(days=28), viewer, days=26)
    selection = Selection(period)
    total = totals(selection)[()].calls
    calls = [call for call in azure.by_request(Query(top=1000)).rows if period.start <= call["timestamp"] < period.end]
    assert total == len(calls) > 0
    for step in Step:
        assert sum(one.calls for one in by_bucket(selection, buckets(period, step, viewer))) == total


def test_days_are_the_viewer_s(called):
    late, early = datetime(2026, 3, 4, 18, 0, tzinfo=UTC), datetime(2026, 3, 4, 19, 0, tzinfo=UTC)
    called(record(1, at=late.timestamp()), record(2, at=early.timestamp()))
    for zone, expected in (("UTC", [2, 0]), ("Asia/Kolkata", [1, 1])):
        viewer = ZoneInfo(zone)
        days = buckets(last_days(datetime(2026, 3, 5, 12, tzinfo=UTC), viewer, days=2), Step.DAY, viewer)
        assert [one.calls for one in by_bucket(Selection(Span(days[0].start, days[-1].end)), days)] == expected


def test_percentiles_are_those_of_the_calls(called):
    calls = random_calls(1000, days=3)
    called(*calls)
    for field, key in (("api_id", 1), ("operation_id", 3)):
        chosen = sorted(c.total_seconds * 1e6 for c in calls if getattr(c, field.removesuffix("_id")) == key)
        found = percentiles(Selection(Span(NOON - timedelta(days=1), NOON + timedelta(days=9))), [field])[(key,)]
        for share in (0.5, 0.95, 0.99):
            assert found[share] == pytest.approx(chosen[ceil(share * len(chosen)) - 1], rel=0.021)


def test_percentiles_of_some_kinds_only(called):
    called(record(1, total_seconds=1.0), record(2, subscription=THEIRS.bytes, total_seconds=9.0))
    mine = Selection(
        span("2026-03-01T00:00Z", "2026-04-01T00:00Z"), Q(subscription_id=MINE), frozenset({"subscription_id"})
    )
    assert percentiles(mine)[()][0.99] == pytest.approx(1e6, rel=0.021)
    assert totals(mine)[()].total_max == 1_000_000


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        pytest.param("timestamp ge 2026-03-04T12:15Z", 3, id="from a quarter on"),
        pytest.param("timestamp gt 2026-03-04T12:15Z", 2, id="after it"),
        pytest.param("timestamp lt 2026-03-04T12:15Z", 1, id="before it"),
        pytest.param("timestamp le 2026-03-04T12:15Z", 2, id="with it"),
        pytest.param("timestamp ge 2026-03-04T12:01Z", 3, id="a quarter that began before is not in it"),
        pytest.param("timestamp ge 2026-03-05T00:00Z and timestamp lt 2026-03-06T00:00Z", 1, id="a whole day"),
        pytest.param("timestamp ge 2026-03-04T12:15Z and timestamp lt 2026-03-06T12:00Z", 2, id="ends in mid-day"),
        pytest.param("timestamp gt 2026-04-01 and timestamp lt 2026-03-01", None, id="the wrong way round"),
        pytest.param(f"subscriptionId eq {MINE}", 4, id="by subscription"),
        pytest.param(f"subscriptionId eq {THEIRS}", None, id="of nobody"),
        pytest.param("apiId eq 1 and operationId eq 2", 4, id="by operation"),
        pytest.param("apiId ne 1", None, id="other APIs"),
        pytest.param("productId eq 3", 4, id="by product"),
        pytest.param("productId eq 3 and apiId eq 1", 4, id="by product and API"),
    ],
)
def test_filters_choose_calls(called, text, calls):
    called(*(record(at=NOON.timestamp() + seconds) for seconds in (60, 960, DAY, 2 * DAY)))
    for report in (azure.by_api, azure.by_subscription):
        assert [row["callCountTotal"] for row in report(Query(filter=text)).rows] == ([calls] if calls else [])


def test_time_is_cut_into_intervals(called):
    called(*(record(at=NOON.timestamp() + seconds) for seconds in (0, 899, 900, 3600, DAY)))
    for interval, counts in {"PT15M": [2, 1, 1, 1], "PT1H": [3, 1, 1], "P1D": [4, 1]}.items():
        for text in ("", "apiId eq 1", "productId eq 3", "userId eq 4"):
            rows = azure.by_time(Query(filter=text), interval).rows
            assert [row["callCountTotal"] for row in rows] == counts
        assert (rows[0]["interval"], rows[0]["timestamp"].minute) == (interval, 0)
    for wrong in ("PT10M", "PT0M", "P", "", "1 hour", "PT15M ", "P1DT", "P١D"):
        with pytest.raises(ValueError, match="15 minutes"):
            azure.by_time(Query(), wrong)


def test_rows_are_ordered_and_paged(called):
    called(*(record(100 * api + number, api=api) for api in (1, 2, 3) for number in range(api)))
    assert [row["apiId"] for row in azure.by_api(Query()).rows] == [3, 2, 1]
    page = azure.by_api(Query(orderby="callCountTotal asc", top=1, skip=1))
    assert ([row["apiId"] for row in page.rows], page.has_more, page.count) == ([2], True, 3)


def test_names_are_looked_for(called):
    apis = [
        API.objects.create(name=name, display_name=name.title(), path=name, service_url="http://backend.example")
        for name in ("weather", "whether")
    ]
    called(*(record(number, api=api.pk) for number, api in enumerate(apis)))
    assert [row["name"] for row in azure.by_api(Query(filter="startswith(name, 'wEA')")).rows] == ["Weather"]


def test_single_calls_are_listed_the_latest_first(called):
    called(record(1), record(2, response_code=500, error_source="forward-request"), record(3, backend_code=None))
    page = azure.by_request(Query(top=2))
    assert ([row["requestId"].int for row in page.rows], page.has_more) == ([3, 2], True)
    row = azure.by_request(Query(filter="responseCode ge 500 and contains(url, 'n=2')")).rows[0]
    assert (row["requestId"].int, row["apiTime"], row["requestSize"], row["ipAddress"]) == (2, 500.0, 10, "127.0.0.1")


@pytest.mark.parametrize("fields", [{"top": 0}, {"top": 1001}, {"skip": -1}, {"skip": 10**9}])
def test_pages_are_bounded(fields):
    with pytest.raises(ValueError, match="top"):
        Query(**fields)


@pytest.mark.parametrize("text", ["timestamp ne 2026-03-04", "name ge 'a'", "url eq 'x'"])
def test_what_a_report_cannot_filter_by_is_refused(called, text):
    called(record(1))
    with pytest.raises(FilterError):
        azure.by_api(Query(filter=text))
