"""Each record of the journal gets into the database once, whatever happens."""

import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import OperationalError, connection

from analytics import ingest as ingesting
from analytics import rows
from analytics.ingest import ingest
from analytics.models import Call, InnerQuotaUse, JournalPart, QuotaUse, SubscriptionQuarter
from gateway.catalogue.cause import KeyRefused, LimitReached, NotRouted
from gateway.journal.parts import MAGIC, frame, part_file, parts
from subscriptions import keys
from subscriptions.lifecycle import create
from tests.analytics.conftest import MINE, NOON, record

pytestmark = pytest.mark.django_db
THEIRS = UUID(int=2)


def numbers() -> list[int]:
    """The calls in the database, by the number that made their records."""
    return sorted(call.request_id.int for call in Call.objects.all())


def test_a_call_is_kept_as_it_was_recorded(write, tmp_path):
    write(record(7))
    assert ingest(tmp_path) == 1
    call = Call.objects.get()
    assert (call.at, call.request_id, call.gateway) == (NOON + timedelta(seconds=7), UUID(int=7), "gw")
    assert (call.api_id, call.operation_id, call.product_id, call.subscription_id, call.user_id) == (1, 2, 3, MINE, 4)
    assert (call.method, call.url, call.caller_address) == ("GET", "/echo?n=7", "127.0.0.1")
    assert (call.response_code, call.backend_code, call.total_ms, call.backend_ms) == (200, 200, 500.0, 250.0)
    assert (call.request_bytes, call.response_bytes, call.error_source, call.error_reason) == (10, 20, "", "")


def test_a_call_without_subscription_or_backend_is_kept_too(write, tmp_path):
    nothing = dict.fromkeys(("api", "operation", "product", "subscription", "user", "backend_code", "backend_seconds"))
    write(record(1, **nothing, error_source="configuration", error_reason="OperationNotFound"))
    assert ingest(tmp_path) == 1
    assert Call.objects.get(subscription_id=None).error_reason == "OperationNotFound"
    assert not SubscriptionQuarter.objects.exists()


def test_the_part_that_is_being_written_is_followed(start_gateway, tmp_path):
    journal = start_gateway()
    for number in range(3):
        journal.append(record(number))
        journal.flush()
        assert ingest(tmp_path) == 1
        assert ingest(tmp_path) == 0
    assert numbers() == [0, 1, 2]


def test_a_record_that_is_half_written_waits_for_its_rest(tmp_path):
    file, whole = part_file(tmp_path, "gw", 1), MAGIC + frame(record(1)) + frame(record(2))
    file.write_bytes(whole[:-1])
    assert ingest(tmp_path) == 1
    file.write_bytes(whole)
    assert ingest(tmp_path) == 1
    assert numbers() == [1, 2]


def test_all_parts_of_all_gateways_are_read(write, tmp_path):
    for name in ("a", "b", "a-1"):
        write(record(1), name=name)
        write(record(2), name=name)
    assert ingest(tmp_path) == 6
    assert set(Call.objects.values_list("gateway", flat=True)) == {"a", "b", "a-1"}


def test_one_run_is_bounded_and_the_next_goes_on(write, tmp_path, monkeypatch):
    monkeypatch.setattr(ingesting, "BATCH_RECORDS", 2)
    write(*map(record, range(7)))
    assert [ingest(tmp_path, batches=2) for _ in range(3)] == [4, 3, 0]
    assert numbers() == list(range(7))


def test_long_urls_make_smaller_batches(write, tmp_path, monkeypatch):
    monkeypatch.setattr(ingesting, "BATCH_BYTES", 10_000)
    write(*(record(number, url=b"/" + b"x" * 6000) for number in range(4)))
    assert ingest(tmp_path, batches=1) == 2


def test_without_rows_per_call_the_sums_are_made_all_the_same(write, tmp_path, settings):
    settings.RAW_CALL_DAYS = 0
    write(record(1), record(2))
    assert ingest(tmp_path) == 2
    assert not Call.objects.exists()
    assert SubscriptionQuarter.objects.get().calls == 2


@pytest.mark.parametrize(
    ("source", "reason", "calls", "refused"),
    [
        pytest.param("", "", 1, 0, id="answered"),
        pytest.param("forward-request", "BackendConnectionFailure", 1, 0, id="let through, the backend failed"),
        pytest.param("rate-limit", "RateLimitExceeded", 0, 1, id="too fast"),
        pytest.param("quota", "QuotaExceeded", 0, 1, id="quota used up"),
        pytest.param("authorization", "SubscriptionKeyInvalid", 0, 0, id="a suspended subscription's key"),
        pytest.param("configuration", "PolicyBroken", 0, 0, id="never left the gateway"),
    ],
)
def test_what_is_counted(write, tmp_path, source, reason, calls, refused):
    write(record(1, error_source=source, error_reason=reason))
    ingest(tmp_path)
    sums = SubscriptionQuarter.objects.values_list("calls", "refused")
    assert list(sums) == ([(calls, refused)] if calls or refused else [])


def test_calls_are_summed_by_subscription_and_quarter_over_batches(write, tmp_path, monkeypatch):
    monkeypatch.setattr(ingesting, "BATCH_RECORDS", 3)
    quarter = 15 * 60
    write(
        *(record(number) for number in (0, 1, quarter - 1, quarter, quarter + 1)),
        *(record(number, subscription=THEIRS.bytes) for number in (5, 6, 7, 8)),
    )
    ingest(tmp_path)
    assert list(
        SubscriptionQuarter.objects.order_by("subscription_id", "quarter").values_list(
            "subscription_id", "quarter", "calls"
        )
    ) == [
        (MINE, NOON, 3),
        (MINE, NOON + timedelta(seconds=quarter), 2),
        (THEIRS, NOON, 4),
    ]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_latest_stand_of_a_quota_stays_in_whatever_order_they_come(write, tmp_path, order):
    stands = [(0.0, 99), (3600.0, 1), (3600.0, 2)]
    for index in order:
        start, calls = stands[index]
        write(record(index, quota_period_start=start, quota_calls=calls))
        ingest(tmp_path)
    use = QuotaUse.objects.get()
    assert (use.subscription_id, use.product_id, use.calls) == (MINE, 3, 2)
    assert use.period_start == datetime(1970, 1, 1, 1, tzinfo=UTC)


def test_the_bytes_of_a_quota_stay_with_its_latest_stand(write, tmp_path):
    for number, (calls, size) in enumerate([(1, 0), (2, 700), (2, 500)]):
        write(record(number, quota_period_start=0.0, quota_calls=calls, quota_bytes=size))
        ingest(tmp_path)
    assert (QuotaUse.objects.get().calls, QuotaUse.objects.get().bytes) == (2, 700)


def inner(number: int, *stands: tuple, **fields):
    """A call that quotas of APIs and operations have counted: API, operation, start, calls and bytes of each."""
    return record(number, quota_period_start=0.0, quota_calls=number, inner_quotas=stands, **fields)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_quotas_of_apis_and_operations_stand_where_they_stood_last(write, tmp_path, order):
    stands = [
        ((1, 0, 0.0, 99, 5), (1, 2, 0.0, 9, 5)),
        ((1, 0, 3600.0, 1, 0),),
        ((1, 0, 3600.0, 2, 700), (1, 2, 0.0, 10, 5)),
    ]
    for index in order:
        write(inner(index, *stands[index]))
        ingest(tmp_path)
    uses = InnerQuotaUse.objects.order_by("operation_id")
    assert list(uses.values_list("subscription", "product_id", "api_id", "operation_id", "calls", "bytes")) == [
        (MINE, 3, 1, 0, 2, 700),
        (MINE, 3, 1, 2, 10, 5),
    ]
    assert uses[0].period_start == datetime(1970, 1, 1, 1, tzinfo=UTC)


def test_a_batch_keeps_the_greatest_stand_of_each_quota_and_subscription(write, tmp_path):
    theirs = {"subscription": THEIRS.bytes}
    write(
        *(inner(number, (1, 0, 0.0, number, 0)) for number in (3, 1, 2)),
        inner(4, (1, 0, 0.0, 7, 0), **theirs),
        record(5),
    )
    assert ingest(tmp_path, batches=1) == 5
    assert dict(InnerQuotaUse.objects.values_list("subscription", "calls")) == {MINE: 3, THEIRS: 7}


def test_a_quota_that_no_database_can_hold_costs_its_record_only(write, tmp_path):
    write(record(1), inner(2, (2**64 - 1, 0, 0.0, 1, 0)), record(3))
    ingest(tmp_path)
    assert numbers() == [1, 3]
    assert JournalPart.objects.get().problems == 1


class Crash(Exception):
    """The worker's sudden end."""


STEPS = {
    "before the offset moves": (ingesting, "advance"),
    "before the sums": (rows, "add_quarters"),
    "before the quotas": (rows, "raise_quotas"),
    "before the quotas of APIs": (rows, "raise_inner_quotas"),
    "before the rows": (rows, "insert_calls"),
}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("module", "name"), STEPS.values(), ids=STEPS.keys())
def test_a_crash_between_any_two_statements_neither_loses_nor_doubles(
    write, tmp_path, monkeypatch, module, name, after
):
    def crash(*arguments, **fields):
        if after:
            step(*arguments, **fields)
        raise Crash

    step = getattr(module, name)
    write(inner(1, (1, 0, 0.0, 1, 0)), record(2))
    with monkeypatch.context() as patch:
        patch.setattr(module, name, crash)
        with pytest.raises(Crash):
            ingest(tmp_path)
    assert not SubscriptionQuarter.objects.exists()
    assert not InnerQuotaUse.objects.exists()
    assert ingest(tmp_path) == 2
    assert numbers() == [1, 2]
    assert SubscriptionQuarter.objects.get().calls == 2


def test_a_database_that_fails_for_a_while_loses_nothing(write, tmp_path, monkeypatch):
    def fail(*_):
        raise OperationalError("disk I/O error")

    write(record(1))
    with monkeypatch.context() as patch:
        patch.setattr(rows, "insert_calls", fail)
        with pytest.raises(OperationalError):
            ingest(tmp_path)
    assert ingest(tmp_path) == 1


@pytest.mark.django_db(transaction=True)
def test_workers_that_race_store_each_record_once(write, tmp_path, monkeypatch):
    monkeypatch.setattr(ingesting, "BATCH_RECORDS", 10)
    for gateway in ("a", "b"):
        write(*(record(number, subscription=UUID(int=number % 7).bytes) for number in range(200)), name=gateway)
    start, failures = threading.Barrier(4), []

    def work():
        try:
            start.wait()
            while ingest(tmp_path, batches=3):
                pass
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []
    while ingest(tmp_path):
        pass
    assert numbers() == sorted([*range(200), *range(200)])
    assert sum(SubscriptionQuarter.objects.values_list("calls", flat=True)) == 400


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        pytest.param({"url": b"/\xff\xfe?\xc3\xa9"}, {"url": "/\\xff\\xfe?é"}, id="not UTF-8"),
        pytest.param({"url": b"/a\0b"}, {"url": "/a\\x00b"}, id="a NUL"),
        pytest.param({"url": b"/" + b"x" * 100_000}, {"url": "/" + "x" * 8191}, id="a long URL"),
        pytest.param({"url": b"\xff" * 8192}, {"url": "\\xff" * 2048}, id="one that grows"),
        pytest.param({"method": b"M" * 4000}, {"method": "M" * 40}, id="a long method"),
        pytest.param({"method": b"\0\xff"}, {"method": "\\x00\\xff"}, id="a method of odd bytes"),
        pytest.param({"url": b"/'; DROP TABLE analytics_call; --\t\n\\N\\."}, None, id="quotes and COPY's escapes"),
        pytest.param({"caller_address": "a" * 500}, {"caller_address": "a" * 45}, id="a long address"),
        pytest.param({"caller_address": "::1\0"}, {"caller_address": "::1\\x00"}, id="an address with a NUL"),
        pytest.param({"error_reason": "r" * 500}, {"error_reason": "r" * 60}, id="a long reason"),
        pytest.param({"request_bytes": 2**62}, {"request_bytes": 2**62}, id="a large body"),
    ],
)
def test_hostile_values_are_kept_in_bounds(write, tmp_path, fields, kept):
    write(record(1, **fields))
    assert ingest(tmp_path) == 1
    call = Call.objects.get()
    expected = kept if kept is not None else {name: value.decode() for name, value in fields.items()}
    assert {name: getattr(call, name) for name in expected} == expected
    assert JournalPart.objects.get().problems == 0


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"at": float("nan")}, id="no time"),
        pytest.param({"at": 1e300}, id="a time past all calendars"),
        pytest.param({"request_id": b"not a GUID"}, id="no GUID"),
        pytest.param({"subscription": b"\xff"}, id="no subscription's id"),
        pytest.param({"request_bytes": 2**63}, id="a number that no column holds"),
        pytest.param({"request_bytes": -1}, id="a negative number"),
    ],
)
def test_a_record_that_cannot_be_stored_is_reported_and_the_others_are_stored(write, tmp_path, caplog, fields):
    write(record(1), record(2), record(3, **fields), record(4))
    ingest(tmp_path)
    assert ingest(tmp_path) == 0
    assert numbers() == [1, 2, 4]
    assert SubscriptionQuarter.objects.get().calls == 3
    part = JournalPart.objects.get()
    assert part.problems == 1
    assert part.last_problem.startswith("The record at ")
    assert [entry.levelname for entry in caplog.records if entry.name == "analytics.ingest"] == ["ERROR"]


def test_what_is_no_journal_is_left_alone(tmp_path):
    (tmp_path / "gw.journal").write_bytes(b"x")
    (tmp_path / "gw-000000000001.journal").write_bytes(b"\0" * 100)
    assert ingest(tmp_path) == 0
    assert len(parts(tmp_path)) == 1


def test_a_journal_that_is_not_there_yet_holds_nothing(tmp_path):
    assert ingest(tmp_path / "none") == 0


@pytest.fixture
def key():
    """The primary key of a subscription, as its row."""
    return create(display_name="Everything", by=None).keys.get(slot="primary")


def used(row, number: int, **fields):
    start = bytes.fromhex(row.digest)[:8]
    return record(number, subscription=row.subscription_id.bytes, **{"key": start} | fields)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_the_last_use_of_a_key_is_kept_in_whatever_order_records_come(write, tmp_path, key, order):
    for number in order:
        write(used(key, number, caller_address=f"192.0.2.{number}"))
        ingest(tmp_path)
    key.refresh_from_db()
    assert (key.last_used_at, key.last_used_from) == (NOON + timedelta(seconds=2), "192.0.2.2")
    assert key.subscription.keys.get(slot="secondary").last_used_at is None


def test_a_key_that_was_replaced_keeps_its_own_last_use(write, tmp_path, key):
    keys.regenerate(key.subscription, keys.Slot.PRIMARY, overlap=keys.Overlap.HOUR)
    write(used(key, 1))
    ingest(tmp_path)
    assert key.subscription.keys.old().get().last_used_at == NOON + timedelta(seconds=1)
    assert not key.subscription.keys.current().exclude(last_used_at=None).exists()


def test_a_refused_key_counts_as_unused(write, tmp_path, key):
    write(used(key, 1, key=b"", error_source="authorization", error_reason="SubscriptionKeyInvalid"))
    ingest(tmp_path)
    key.refresh_from_db()
    assert key.last_used_at is None


def test_a_call_keeps_region_key_cause_and_headers(write, tmp_path):
    cause = LimitReached("quota", "api", 3, "bytes", 1024, 3600, 60)
    headers = ((b"host", b"api.example"), (b"x-odd", b"\xff\0\"'\\"))
    write(record(1, region="West Europe", key=b"\x01" * 8, cause=cause, request_headers=headers, response_code=403))
    write(record(2))
    ingest(tmp_path)
    first, second = Call.objects.order_by("at")
    assert (first.region, first.key_prefix) == ("West Europe", "01" * 8)
    assert first.cause == {
        "kind": "limit",
        "policy": "quota",
        "scope": "api",
        "scope_id": 3,
        "counts": "bytes",
        "limit": 1024,
        "period_seconds": 3600,
        "retry_after_seconds": 60,
    }
    assert first.request_headers == [["host", "api.example"], ["x-odd", "\\xff\\x00\"'\\"]]
    assert (second.region, second.key_prefix, second.cause, second.request_headers) == ("", "", None, None)


@pytest.mark.parametrize(
    ("cause", "kept"),
    [
        (KeyRefused("unknown"), {"kind": "key", "reason": "unknown"}),
        (KeyRefused("inactive", "suspended"), {"kind": "key", "reason": "inactive", "state": "suspended"}),
        (
            KeyRefused("replaced", ended_at=0.0),
            {"kind": "key", "reason": "replaced", "ended_at": "1970-01-01T00:00:00Z"},
        ),
        (NotRouted("malformed", "a\0b"), {"kind": "route", "reason": "malformed", "detail": "a\\x00b"}),
    ],
)
def test_causes_are_kept_with_what_they_say(write, tmp_path, cause, kept):
    write(record(1, cause=cause))
    ingest(tmp_path)
    assert Call.objects.get().cause == kept


def test_a_refused_key_that_is_recorded_counts_as_unused(write, tmp_path, key):
    write(used(key, 1, error_source="authorization", error_reason="SubscriptionKeyInvalid"))
    ingest(tmp_path)
    key.refresh_from_db()
    assert key.last_used_at is None
    assert key.digest.startswith(Call.objects.get().key_prefix)
