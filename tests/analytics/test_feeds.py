"""Single calls reach other systems: as Parquet files, and as OpenTelemetry log records."""

import gzip
import os
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pyarrow.dataset
import pytest
from django.core.management import CommandError, call_command
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import SEVERITY_NUMBER_ERROR, SEVERITY_NUMBER_INFO, SEVERITY_NUMBER_WARN

from analytics import tasks
from analytics.feeds import otlp, parquet, progress, ranges
from analytics.ingest import ingest
from analytics.models import Call, CallFeed
from gateway.catalogue.cause import LimitReached
from tests.analytics.conftest import MINE, NOON, record

pytestmark = pytest.mark.django_db
DAY = 24 * 3600
REFUSED = {"error_source": "rate-limit", "error_reason": "RateLimitExceeded"}
LIMIT = LimitReached("rate-limit", "product", 3, "calls", 5, 60, 41)


@pytest.fixture
def called(write, tmp_path):
    """Lets calls be made and stored."""

    def call(*records) -> None:
        write(*records)
        ingest(tmp_path)

    return call


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "lake"


def export(folder, calls_in_a_file=100) -> list[str]:
    files = parquet.export_calls(folder, calls_in_a_file=calls_in_a_file)
    return [str(file.relative_to(folder)) for file in files]


def exported(folder) -> list[dict]:
    """As a warehouse reads the folder."""
    found = pyarrow.dataset.dataset(folder, format="parquet", partitioning="hive").to_table().to_pylist()
    return sorted(found, key=lambda row: (row["at"], row["request_id"]))


def ids(folder) -> list[int]:
    return sorted(uuid.UUID(row["request_id"]).int for row in exported(folder))


def test_files_by_day_hold_every_call_with_all_that_is_known_of_it(called, folder):
    called(
        record(1, total_seconds=0.25, response_code=429, region="west", key=b"12345678", cause=LIMIT, **REFUSED),
        record(2, at=NOON.timestamp() + DAY, subscription=None, user=None, backend_seconds=None, backend_code=None),
    )
    latest = Call.objects.latest("pk").pk
    name = f"part-{1:012}-{latest:012}.parquet"
    assert export(folder) == [f"date=2026-03-04/{name}", f"date=2026-03-05/{name}"]
    rows = exported(folder)
    assert [str(row.pop("date")) for row in rows] == ["2026-03-04", "2026-03-05"]
    # PostgreSQL puts the keys of an object in an order of its own.
    assert msgspec.json.decode(rows[0].pop("cause")) == {"kind": "limit", **msgspec.structs.asdict(LIMIT)}
    assert rows[0] == {
        "at": NOON + timedelta(seconds=1),
        "request_id": str(uuid.UUID(int=1)),
        "gateway": "gw",
        "api_id": 1,
        "operation_id": 2,
        "product_id": 3,
        "subscription_id": str(MINE),
        "user_id": 4,
        "method": "GET",
        "url": "/echo?n=1",
        "caller_address": "127.0.0.1",
        "response_code": 429,
        "backend_code": 200,
        "total_ms": 250.0,
        "backend_ms": 250.0,
        "request_bytes": 10,
        "response_bytes": 20,
        "error_source": "rate-limit",
        "error_reason": "RateLimitExceeded",
        "country": "",
        "region": "west",
        "key_prefix": "3132333435363738",
    }
    assert [rows[1][name] for name in ("subscription_id", "user_id", "backend_ms", "backend_code")] == [None] * 4


def test_what_is_new_follows_in_files_of_its_own_and_late_calls_reach_their_day(called, folder):
    called(record(1), record(2, at=NOON.timestamp() + DAY))
    export(folder)
    assert export(folder) == []
    called(record(3))
    (late,) = export(folder)
    assert late.startswith("date=2026-03-04/")
    assert ids(folder) == [1, 2, 3]


def test_many_calls_are_cut_into_files(called, folder):
    called(*(record(number) for number in range(1, 8)))
    assert len(export(folder, calls_in_a_file=3)) == 3
    assert ids(folder) == list(range(1, 8))


@pytest.mark.parametrize("written", [0, 1, 2])
def test_a_crash_loses_no_call_and_doubles_none(called, folder, written):
    """After none, some or all files of a range were written; more calls come before the next run."""
    called(*(record(number, at=NOON.timestamp() + number % 2 * DAY) for number in range(1, 7)))
    run = parquet.export_calls(folder, calls_in_a_file=100)
    for _ in range(written):
        next(run)
    run.close()
    called(record(7), record(8))
    export(folder)
    assert ids(folder) == list(range(1, 9))


def test_a_crash_while_a_file_is_written_leaves_none(called, folder, monkeypatch):
    called(record(1))
    with monkeypatch.context() as patch:
        patch.setattr(parquet.os, "fsync", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            export(folder)
    assert [file for file in folder.rglob("*") if file.is_file()] == []
    export(folder)
    assert ids(folder) == [1]


def test_what_a_crash_has_left_unfinished_goes_after_a_day(called, folder):
    (day := folder / "date=2026-03-04").mkdir(parents=True)
    old, young = day / ".part-000000000001-000000000002.parquet.a1", day / ".part-000000000001-000000000002.parquet.b2"
    for unfinished in (old, young):
        unfinished.write_bytes(b"PAR1")
    os.utime(old, (moment := time.time() - 25 * 3600, moment))
    called(record(1))
    export(folder)
    assert not old.exists()
    assert young.exists()
    assert ids(folder) == [1]


def test_two_that_export_the_same_range_take_it_off_once(called, folder):
    called(record(1))
    mine, theirs = (ranges.next_range("same", 10) for _ in range(2))
    assert mine == theirs
    assert [ranges.note_sent(mine), ranges.note_sent(theirs)] == [True, False]
    assert ranges.next_range("same", 10) is None


def test_a_call_pruned_before_it_was_exported_is_passed_over(called, folder):
    called(record(1), record(2), record(3))
    Call.objects.filter(request_id=uuid.UUID(int=2)).delete()
    export(folder, calls_in_a_file=1)
    assert ids(folder) == [1, 3]


def test_the_command_tells_the_files_and_each_folder_gets_all(called, folder, tmp_path, capsys):
    called(record(1))
    for place in (folder, tmp_path / "other"):
        call_command("export_calls", str(place))
        assert capsys.readouterr().out.startswith(f"{place}/date=2026-03-04/part-")
        assert ids(place) == [1]


def test_the_command_says_which_folder_cannot_be_written(called, tmp_path):
    called(record(1))
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="file/date=2026-03-04"):
        call_command("export_calls", str(tmp_path / "file"))


def test_the_worker_exports_where_it_is_told_to(called, folder, settings):
    called(record(1))
    tasks.export_calls()
    assert not CallFeed.objects.exists()
    settings.CALL_EXPORT_DIR = str(folder)
    tasks.export_calls()
    assert ids(folder) == [1]


def test_calls_that_do_not_leave_are_told_before_they_are_deleted_and_then(called, tmp_path, settings, caplog):
    settings.CALL_EXPORT_DIR = str(tmp_path / "file")
    (tmp_path / "file").write_text("")
    called(record(1))
    with pytest.raises(OSError, match="file"):
        tasks.export_calls()
    (one,) = progress.all_feeds()
    assert one.oldest == NOON + timedelta(seconds=1)
    assert [one.is_late(one.oldest + timedelta(hours=hours)) for hours in (2, 4)] == [False, True]
    assert (one.feed.failures, "file" in one.feed.last_error) == (1, True)
    tasks.prune_calls()
    assert [line.getMessage() for line in caplog.records if line.levelname == "ERROR"] == [
        f"Calls since {one.oldest.isoformat()} are deleted before they have left by Parquet {tmp_path / 'file'}"
    ]


def test_nobody_waits_for_a_feed_that_the_settings_do_not_name(called, folder, settings, caplog):
    called(record(1))
    export(folder)
    called(record(2))
    (one,) = progress.all_feeds()
    assert (one.is_set, one.is_late(NOON + timedelta(days=9))) == (False, False)
    tasks.prune_calls()
    assert "before they have left" not in caplog.text


class Collector:
    """Keeps the records it gets; answers what is in `answers` first, and 200 then."""

    def __init__(self) -> None:
        self.records, self.requests, self.answers = [], [], []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
                status, headers, answer = collector.answers.pop(0) if collector.answers else (200, {}, b"")
                collector.requests.append((self.path, self.headers["Content-Type"], self.headers["X-Tenant"]))
                if status == 200:
                    for group in ExportLogsServiceRequest.FromString(body).resource_logs:
                        resource = {one.key: one.value.string_value for one in group.resource.attributes}
                        for scope in group.scope_logs:
                            collector.records += [(resource, one) for one in scope.log_records]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}/v1/logs"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def ids(self) -> list[int]:
        return sorted(uuid.UUID(attributes(one)["log.record.uid"]).int for _, one in self.records)


def attributes(one) -> dict[str, object]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in one.attributes}


@pytest.fixture
def collector():
    collector = Collector()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()


@pytest.fixture
def rested():
    """Lets the time pass that a feed rests."""
    return lambda: CallFeed.objects.update(next_attempt_at=datetime(2000, 1, 1, tzinfo=UTC))


def test_a_log_record_says_what_the_call_was(called, collector, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=one")
    called(record(1, response_code=502, error_source="forward-request", error_reason="Timeout", region="west"))
    assert otlp.send_calls(collector.endpoint) == 1
    assert collector.requests == [("/v1/logs", "application/x-protobuf", "one")]
    ((resource, one),) = collector.records
    assert (resource["service.name"], resource["service.instance.id"]) == ("gateway", "gw")
    assert one.time_unix_nano == int(NOON.timestamp() + 1) * 10**9
    assert (one.event_name, one.severity_number) == ("apim.call", SEVERITY_NUMBER_ERROR)
    assert attributes(one) == {
        "log.record.uid": str(uuid.UUID(int=1)),
        "http.request.method": "GET",
        "url.path": "/echo",
        "url.query": "n=1",
        "client.address": "127.0.0.1",
        "http.request.size": 10,
        "http.response.size": 20,
        "http.response.status_code": 502,
        "http.server.request.duration": 0.5,
        "error.type": "Timeout",
        "apim.request.id": str(uuid.UUID(int=1)),
        "apim.region": "west",
        "apim.api.id": 1,
        "apim.operation.id": 2,
        "apim.product.id": 3,
        "apim.subscription.id": MINE.hex,
        "apim.user.id": 4,
        "apim.backend.status_code": 200,
        "apim.backend.duration": 0.25,
        "apim.error.source": "forward-request",
        "apim.error.reason": "Timeout",
    }


def test_severity_follows_the_class_of_the_answer(called, collector):
    codes = {1: 200, 2: 404, 3: 429, 4: 500}
    called(*(record(number, response_code=code) for number, code in codes.items()))
    otlp.send_calls(collector.endpoint)
    found = [one.severity_number for _, one in collector.records]
    assert found == [SEVERITY_NUMBER_INFO, SEVERITY_NUMBER_INFO, SEVERITY_NUMBER_WARN, SEVERITY_NUMBER_ERROR]


def test_a_feed_is_called_by_its_collector_without_what_may_be_secret(called, settings):
    called(record(1))
    settings.OTEL_EXPORTER_OTLP_LOGS_ENDPOINT = "https://me:s3cret@collector.example:4318/t0ken/logs?key=s3cret"
    (one,) = progress.all_feeds()
    assert (one.name, one.oldest) == ("OpenTelemetry https://collector.example:4318", NOON + timedelta(seconds=1))


def test_only_what_is_new_is_sent(called, collector):
    called(record(1))
    assert [otlp.send_calls(collector.endpoint) for _ in range(2)] == [1, 0]
    called(record(2))
    assert otlp.send_calls(collector.endpoint) == 1
    assert collector.ids == [1, 2]


def test_many_calls_leave_in_several_requests(called, collector, monkeypatch):
    monkeypatch.setattr(otlp, "CALLS_AT_ONCE", 2)
    called(*(record(number) for number in range(1, 6)))
    assert otlp.send_calls(collector.endpoint) == 5
    assert (len(collector.requests), collector.ids) == (3, [1, 2, 3, 4, 5])


@pytest.mark.parametrize("status", [401, 404, 429, 503, 307])
def test_a_collector_that_refuses_is_asked_again_after_a_rest(called, collector, rested, status):
    called(record(1))
    collector.answers = [(status, {"Location": "http://127.0.0.1:1/"} if status == 307 else {}, b"")]
    assert [otlp.send_calls(collector.endpoint) for _ in range(2)] == [0, 0]
    assert len(collector.requests) == 1, "it rests"
    feed = CallFeed.objects.get()
    assert (feed.failures, feed.last_error) == (1, f"it answered {status}")
    rested()
    assert otlp.send_calls(collector.endpoint) == 1
    assert collector.ids == [1]


def test_rests_grow_up_to_ten_minutes_and_end_with_the_trouble(called, rested):
    called(record(1))
    rests = []
    for _ in range(9):
        before = datetime.now(UTC)
        otlp.send_calls("http://127.0.0.1:1/v1/logs")
        rests.append(round((CallFeed.objects.get().next_attempt_at - before).total_seconds(), -1) or 5)
        rested()
    assert sorted(rests) == rests
    assert rests[-1] == 600


def test_the_collector_says_how_long_it_wants_to_rest(called, collector):
    called(record(1))
    collector.answers = [(429, {"Retry-After": "120"}, b"")]
    before = datetime.now(UTC)
    otlp.send_calls(collector.endpoint)
    rest = CallFeed.objects.get().next_attempt_at - before
    assert timedelta(seconds=120) <= rest < timedelta(seconds=180)


def test_what_is_too_large_is_halved(called, collector):
    called(*(record(number) for number in range(1, 5)))
    collector.answers = [(413, {}, b"")]
    assert otlp.send_calls(collector.endpoint) == 4
    assert (len(collector.requests), collector.ids) == (3, [1, 2, 3, 4])


def test_what_is_never_taken_does_not_hold_up_the_rest(called, collector, caplog):
    called(record(1))
    rejected = ExportLogsServiceResponse()
    rejected.partial_success.rejected_log_records = 1
    rejected.partial_success.error_message = "too old"
    collector.answers = [(400, {}, b""), (200, {}, rejected.SerializeToString())]
    otlp.send_calls(collector.endpoint)
    called(record(2))
    otlp.send_calls(collector.endpoint)
    assert [line.levelname for line in caplog.records] == ["ERROR", "ERROR"]
    assert "too old" in caplog.text


def test_a_crash_before_the_answer_is_noted_sends_the_same_records_again(called, collector, monkeypatch):
    called(record(1), record(2))
    with monkeypatch.context() as patch:
        patch.setattr(otlp, "note_sent", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            otlp.send_calls(collector.endpoint)
    called(record(3))
    otlp.send_calls(collector.endpoint)
    assert collector.ids == [1, 1, 2, 2, 3]


def test_the_worker_sends_where_it_is_told_to(called, collector, settings):
    called(record(1))
    tasks.send_calls()
    assert collector.requests == []
    settings.OTEL_EXPORTER_OTLP_LOGS_ENDPOINT = collector.endpoint
    tasks.send_calls()
    assert collector.ids == [1]
