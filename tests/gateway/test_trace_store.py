"""Debug traces are kept for a while, and not too many of them."""

import os
import time

import pytest

from gateway.telemetry import trace_store
from gateway.telemetry.debug_token import DebugToken
from gateway.telemetry.debug_trace import DebugTrace
from gateway.telemetry.trace_store import TraceStore
from tests.gateway.conftest import wait_for

ALICE = DebugToken(b"A" * 16, 2**40)
BOB = DebugToken(b"B" * 16, 2**40)


@pytest.fixture
def store(tmp_path):
    store = TraceStore(tmp_path / "traces")
    yield store
    store.close()


def saved(store: TraceStore, token: DebugToken = ALICE) -> DebugTrace:
    trace = DebugTrace(token, time.monotonic())
    store.save(trace)
    return trace


def test_a_trace_is_found_by_whom_it_is_for_alone(store, tmp_path):
    trace = saved(store)
    assert store.find(ALICE, trace.id) == trace.to_json()
    assert store.find(BOB, trace.id) is None
    assert store.find(DebugToken(None, 2**40), trace.id) is None
    (file,) = (tmp_path / "traces").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("trace_id", ["", "../" + "a" * 29, "A" * 32, "a" * 33, "a" * 31 + "/", "a" * 31 + "\0"])
def test_an_id_is_no_path(store, trace_id):
    saved(store)
    assert store.find(ALICE, trace_id) is None


def test_traces_that_are_too_old_or_too_many_are_deleted(store, tmp_path, monkeypatch):
    monkeypatch.setattr(trace_store, "KEPT_FILES", 5)
    old, *others = [saved(store) for _ in range(8)]
    now = time.time()
    for number, trace in enumerate([old, *others]):
        at = now - 4000 if trace is old else now - 100 + number
        os.utime(next((tmp_path / "traces").glob(f"*{trace.id}*")), (at, at))
    assert store.find(ALICE, old.id) is None
    store.tick(now)
    wait_for(lambda: len(list((tmp_path / "traces").iterdir())) == 5)
    assert [store.find(ALICE, trace.id) is not None for trace in others] == [False] * 2 + [True] * 5


def test_so_many_traces_that_the_sweep_does_not_keep_up_are_refused(store):
    store.tick(time.time())
    while store.has_room():
        saved(store)
    store.tick(time.time())
    assert store.has_room()


def test_a_folder_that_takes_nothing_costs_no_more_than_the_trace(tmp_path, caplog):
    (tmp_path / "traces").touch()
    store = TraceStore(tmp_path / "traces")
    saved(store)
    assert "debug trace not kept" in caplog.text
    store.close()


def test_a_trace_is_bounded():
    trace = DebugTrace(ALICE, time.monotonic())
    for _ in range(1000):
        trace.add("inbound", "request", {"url": "x" * 20_000})
    assert len(trace.to_json()) < 250_000
