"""Records and quota counts that outlive a crash, at whatever byte it comes."""

import errno
import logging
import os
import signal
import subprocess
import sys
from zlib import crc32

import msgspec
import pytest

from gateway.catalogue.cause import KeyRefused, LimitReached, NotRouted
from gateway.configuration import frames
from gateway.journal import checkpoint
from gateway.journal.checkpoint import deletable
from gateway.journal.parts import MAGIC, frame, parts, read_records
from gateway.journal.record import CallRecord
from gateway.journal.writer import Journal, JournalError, JournalLocked
from gateway.limits.counters import Counters
from tests.gateway.snapshots import ALICE

NOW = 1_800_000_000.0
FIRST, SECOND = (1, 0, 0), (2, 0, 0)


def record(number, **fields):
    values = {
        "at": NOW + number,
        "request_id": b"r%d" % number,
        "api": 1,
        "operation": 2,
        "product": 1,
        "subscription": ALICE,
        "user": 7,
        "method": b"GET",
        "url": b"/echo/\xff?q=%d" % number,
        "caller_address": "127.0.0.1",
        "response_code": 200,
        "backend_code": 200,
        "total_seconds": 0.5,
        "backend_seconds": 0.4,
        "request_bytes": 10,
        "response_bytes": 20,
        "quota_period_start": NOW,
        "quota_calls": number,
    }
    return CallRecord(**values | fields)


def test_records_of_gateways_of_earlier_versions_are_read(tmp_path):
    fields = msgspec.structs.astuple(record(1, key=b"12345678"))
    earlier = fields[:26]
    assert earlier[-1] == b"12345678"
    file = tmp_path / "gw-000000000001.journal"
    file.write_bytes(MAGIC + frames.frame(msgspec.msgpack.encode(earlier)) + frame(record(2, region="west")))
    assert [one for one, _ in read_records(file)] == [record(1, key=b"12345678"), record(2, region="west")]


@pytest.mark.parametrize(
    "cause",
    [
        LimitReached("rate-limit", "api", 3, "calls", 5, 60, 12),
        KeyRefused("replaced", ended_at=NOW),
        NotRouted("malformed", "The request target is not a path."),
    ],
)
def test_causes_and_headers_come_back_as_they_were_written(tmp_path, cause):
    file = tmp_path / "gw-000000000001.journal"
    one = record(1, cause=cause, request_headers=((b"host", b"a"), (b"x", b"\xff")))
    file.write_bytes(MAGIC + frame(one))
    assert [read for read, _ in read_records(file)] == [one]


@pytest.fixture
def start(tmp_path):
    """Starts a gateway's journal; each is closed in the end."""
    started = []

    def start_one(gateway="gw", counters=None, **fields):
        limits = {"part_bytes": 2**30, "part_seconds": 3600, "fsync_seconds": 1.0} | fields
        started.append(Journal(tmp_path, gateway, counters or Counters(), **limits))
        return started[-1]

    yield start_one
    for journal in started:
        journal.close()


def read_all(directory):
    return [record for part in parts(directory) for record, _ in read_records(part.file)]


def test_what_was_appended_is_read_back(start, tmp_path):
    journal, records = start(), [record(number) for number in range(1, 4)]
    for one in records:
        journal.append(one)
    assert read_all(tmp_path) == []
    journal.flush()
    assert read_all(tmp_path) == records


def test_reading_goes_on_from_each_offset(start, tmp_path):
    journal = start()
    for number in range(5):
        journal.append(record(number))
    journal.flush()
    file = parts(tmp_path)[0].file
    offsets = [0, *(offset for _, offset in read_records(file))]
    for index, offset in enumerate(offsets):
        assert [one.request_id for one, _ in read_records(file, offset)] == [b"r%d" % n for n in range(index, 5)]
    assert offsets[-1] == file.stat().st_size


def test_a_part_torn_at_any_byte_gives_its_whole_records(tmp_path):
    frames = [frame(record(number)) for number in range(3)]
    whole = MAGIC + b"".join(frames)
    ends = [len(MAGIC) + sum(map(len, frames[:count])) for count in range(4)]
    for size in range(len(whole) + 1):
        file = tmp_path / "torn"
        file.write_bytes(whole[:size])
        assert [offset for _, offset in read_records(file)] == [end for end in ends[1:] if end <= size]


@pytest.mark.parametrize("tail", [b"\0" * 4096, b"\xff" * 4096, frame(record(9))[:-1] + b"\1", b"\x01\0\0\0"])
def test_what_a_crash_left_behind_the_last_record_is_skipped(tmp_path, tail):
    file = tmp_path / "torn"
    file.write_bytes(MAGIC + frame(record(1)) + tail)
    assert [one for one, _ in read_records(file)] == [record(1)]


def test_a_changed_byte_anywhere_is_found_out(tmp_path):
    whole = MAGIC + frame(record(1))
    file = tmp_path / "changed"
    for position in range(len(whole)):
        file.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert list(read_records(file)) == []


def test_a_large_part_is_read_in_pieces(tmp_path):
    file = tmp_path / "large"
    file.write_bytes(MAGIC + b"".join(frame(record(number, url=b"x" * 30_000)) for number in range(50)))
    assert sum(1 for _ in read_records(file)) == 50


def test_a_restart_begins_a_new_part_and_keeps_the_quota(start, tmp_path):
    journal = start()
    journal.append(record(1))
    journal.close()
    counters = Counters()
    again = start(counters=counters)
    again.append(record(2))
    again.flush()
    assert [one.request_id for one in read_all(tmp_path)] == [b"r1", b"r2"]
    assert len(parts(tmp_path)) == 2


def test_quotas_are_the_checkpoints_and_those_of_later_parts(tmp_path):
    def part(name, *calls):
        (tmp_path / f"{name}.journal").write_bytes(MAGIC + b"".join(frame(record(1, quota_calls=n)) for n in calls))

    file = checkpoint.checkpoint_file(tmp_path, "gw")
    checkpoint.write(
        file, checkpoint.Checkpoint(6, quotas={FIRST: {ALICE: (NOW, 41, 0)}, SECOND: {ALICE: (NOW, 7, 0)}})
    )
    part("gw-000000000005", 99)
    part("gw-000000000006", 43, 42)
    part("other-000000000007", 98)
    counters = Counters()
    assert checkpoint.recover(tmp_path, "gw", counters, NOW) == 7
    assert counters.quotas() == {FIRST: {ALICE: (NOW, 43, 0)}, SECOND: {ALICE: (NOW, 7, 0)}}


def test_rate_windows_are_the_checkpoints_and_those_of_later_parts_each_call_once(tmp_path):
    def call(seconds, **fields):
        return frame(record(1, at=NOW + seconds, **{"rate_period_seconds": 60} | fields))

    checkpoint.write(
        checkpoint.checkpoint_file(tmp_path, "gw"),
        checkpoint.Checkpoint(6, rates={FIRST: {ALICE: [NOW - 30, NOW - 20]}, SECOND: {ALICE: [NOW - 10]}}),
    )
    under_way_then = call(-20)
    later = [call(-5), call(-7), call(-60), call(-1, rate_period_seconds=None), call(-1, product=None)]
    (tmp_path / "gw-000000000006.journal").write_bytes(MAGIC + under_way_then + b"".join(later))
    counters = Counters()
    checkpoint.recover(tmp_path, "gw", counters, NOW)
    assert counters.rates() == {FIRST: {ALICE: (NOW - 30, NOW - 20, NOW - 7, NOW - 5)}, SECOND: {ALICE: (NOW - 10,)}}


def test_limits_of_apis_and_operations_and_bytes_come_back(tmp_path):
    def call(seconds, **fields):
        return frame(record(1, at=NOW + seconds, quota_bytes=500, **fields))

    inner = {"inner_rates": ((1, 0, 60), (1, 2, 10)), "inner_quotas": ((1, 0, NOW, 7, 400), (1, 2, NOW, 3, 0))}
    (tmp_path / "gw-000000000006.journal").write_bytes(MAGIC + call(-30, **inner) + call(-5, **inner))
    counters = Counters()
    checkpoint.recover(tmp_path, "gw", counters, NOW)
    assert counters.rates() == {(1, 1, 0): {ALICE: (NOW - 30, NOW - 5)}, (1, 1, 2): {ALICE: (NOW - 5,)}}
    assert counters.quotas() == {
        FIRST: {ALICE: (NOW, 1, 500)},
        (1, 1, 0): {ALICE: (NOW, 7, 400)},
        (1, 1, 2): {ALICE: (NOW, 3, 0)},
    }


def test_what_version_0_1_wrote_is_read(tmp_path):
    old = msgspec.structs.astuple(record(3, rate_period_seconds=60, at=NOW - 5))[:21]
    payload = msgspec.msgpack.encode(old)
    frames = len(payload).to_bytes(4, "little") + crc32(payload).to_bytes(4, "little") + payload
    (tmp_path / "gw-000000000006.journal").write_bytes(MAGIC + frames)
    counts = msgspec.msgpack.encode((6, [((2, ALICE), (NOW, 7))], [((1, ALICE), [NOW - 9]), ((1, b"B"), [NOW - 8])]))
    checkpoint.checkpoint_file(tmp_path, "gw").write_bytes(
        checkpoint.MAGIC + crc32(counts).to_bytes(4, "little") + counts
    )
    counters = Counters()
    assert checkpoint.recover(tmp_path, "gw", counters, NOW) == 7
    assert counters.quotas() == {SECOND: {ALICE: (NOW, 7, 0)}, FIRST: {ALICE: (NOW, 3, 0)}}
    assert counters.rates() == {FIRST: {ALICE: (NOW - 9, NOW - 5), b"B": (NOW - 8,)}}


def test_a_crash_at_any_byte_of_the_last_part_restores_what_was_written(tmp_path):
    frames = [frame(record(number)) for number in range(1, 4)]
    ends = [len(MAGIC) + sum(map(len, frames[:count])) for count in range(4)]
    whole = MAGIC + b"".join(frames)
    for size in range(len(whole) + 1):
        (tmp_path / "gw-000000000001.journal").write_bytes(whole[:size])
        counters = Counters()
        assert checkpoint.recover(tmp_path, "gw", counters, NOW) == 2
        written = sum(end <= size for end in ends[1:])
        assert counters.quotas() == ({FIRST: {ALICE: (NOW, written, 0)}} if written else {})


def test_a_checkpoint_torn_at_any_byte_is_not_believed(tmp_path, caplog):
    file = checkpoint.checkpoint_file(tmp_path, "gw")
    checkpoint.write(file, checkpoint.Checkpoint(7, quotas={FIRST: {ALICE: (NOW, 5, 0)}}))
    (tmp_path / "gw-000000000003.journal").write_bytes(MAGIC + frame(record(4)))
    whole = file.read_bytes()
    for size in range(len(whole)):
        file.write_bytes(whole[:size])
        counters = Counters()
        assert checkpoint.recover(tmp_path, "gw", counters, NOW) == 4
        assert counters.quotas() == {FIRST: {ALICE: (NOW, 4, 0)}}
        assert deletable(tmp_path) == []
    file.write_bytes(whole)
    assert checkpoint.recover(tmp_path, "gw", counters, NOW) == 7


def test_a_later_period_counts_for_more_than_a_fuller_one():
    counters = Counters()
    for stand in ((NOW + 100, 1, 9), (NOW, 99, 99), (NOW + 100, 2, 0), (NOW + 100, 2, 3)):
        counters.restore({FIRST: {ALICE: stand}})
    assert counters.quotas() == {FIRST: {ALICE: (NOW + 100, 2, 3)}}


@pytest.mark.parametrize(
    ("limits", "later"), [({"part_bytes": 1}, 0), ({"part_seconds": 60}, 60)], ids=["by size", "by age"]
)
def test_a_part_that_is_full_or_old_is_finished(start, tmp_path, limits, later):
    journal = start(**limits)
    journal.append(record(1))
    journal.tick(NOW)
    journal.tick(NOW + later)
    journal.append(record(2))
    journal.flush()
    assert [len(list(read_records(part.file))) for part in parts(tmp_path)] == [1, 1]


def test_only_parts_that_the_checkpoint_covers_are_deletable(start, tmp_path):
    journal = start(part_bytes=1)
    journal.append(record(1))
    journal.flush()
    assert deletable(tmp_path) == []
    journal.close()
    assert deletable(tmp_path) == [part.file for part in parts(tmp_path)]


def test_a_part_that_is_still_written_is_not_deletable_although_the_next_process_has_finished_later_ones(
    start, tmp_path
):
    old, new = start(), None
    old.append(record(1))
    old.flush()
    old.hand_over().result()
    new = start()
    new.append(record(2))
    new.close()
    first, last_of_old, of_new = (part.file for part in parts(tmp_path))
    assert deletable(tmp_path) == [first, of_new]
    old.append(record(3))
    old.close()
    assert deletable(tmp_path) == [first, last_of_old, of_new]
    assert [one.request_id for one in read_all(tmp_path)] == [b"r1", b"r3", b"r2"]


def test_the_next_process_begins_with_the_counts_of_the_one_before(start, tmp_path):
    counters, after = Counters(), Counters()
    old = start(counters=counters)
    counters.restore({(1, 0, 0): {ALICE: (NOW, 7, 0)}})
    with pytest.raises(JournalLocked):
        start()
    old.hand_over().result()
    start(counters=after)
    assert after.quotas() == {(1, 0, 0): {ALICE: (NOW, 7, 0)}}
    counters.restore({(1, 0, 0): {ALICE: (NOW, 99, 0)}})
    old.append(record(1))
    old.close()
    saved = checkpoint.read(checkpoint.checkpoint_file(tmp_path, "gw"))
    assert saved is not None
    assert saved.quotas == {(1, 0, 0): {ALICE: (NOW, 7, 0)}}


def test_a_reader_gets_each_record_once_while_two_processes_write_and_parts_are_deleted(start, tmp_path):
    got, offsets = [], {}

    def ingest():
        """As the worker does, which keeps offsets by name for ever."""
        for part in parts(tmp_path):
            for one, end in read_records(part.file, offsets.get(part.file.name, 0)):
                got.append(one.request_id)
                offsets[part.file.name] = end
        for file in deletable(tmp_path):
            file.unlink()

    old = start(part_bytes=1)
    old.hand_over().result()
    new = start(part_bytes=1)
    for number in range(0, 20, 2):
        for journal, one in ((new, record(number)), (old, record(number + 1))):
            journal.append(one)
            journal.tick(NOW + number)
        new._disk.submit(lambda: None).result()
        ingest()
    old.close()
    new.close()
    ingest()
    assert sorted(got) == sorted(b"r%d" % number for number in range(20))
    assert parts(tmp_path) == []


def test_a_hand_over_to_a_full_disk_loses_no_record(start, tmp_path, monkeypatch):
    old = start()
    old.append(record(1))

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "write", full)
        broken.setattr(os, "open", full)
        old.flush()
        old.hand_over().result()
    old.append(record(2))
    new = start()
    new.append(record(3))
    new.flush()
    old.close()
    assert sorted(one.request_id for one in read_all(tmp_path)) == [b"r1", b"r2", b"r3"]


def abandon(directory, *numbers):
    """What a gateway leaves behind that was killed long ago."""
    file = directory / "gone-000000000005.journal"
    file.write_bytes(MAGIC + b"".join(frame(record(number)) for number in numbers))
    os.utime(file, (NOW, NOW))
    return file


def test_the_journal_of_a_gateway_that_does_not_come_back_is_closed(start, tmp_path):
    file = abandon(tmp_path, 1, 2)
    assert checkpoint.close_abandoned(tmp_path, NOW + 60) == []
    assert deletable(tmp_path) == []
    assert checkpoint.close_abandoned(tmp_path, NOW + 3600) == ["gone"]
    assert deletable(tmp_path) == [file]
    assert checkpoint.close_abandoned(tmp_path, NOW + 3600) == []
    file.unlink()
    counters = Counters()
    start("gone", counters).append(record(9))
    assert counters.quotas() == {(1, 0, 0): {ALICE: (NOW, 2, 0)}}


def test_the_journal_of_a_gateway_that_is_there_is_left_alone(start, tmp_path):
    journal = start("gone")
    abandon(tmp_path, 1)
    assert checkpoint.close_abandoned(tmp_path, NOW + 3600) == []
    journal.close()
    quiet = start("quiet")
    quiet.append(record(1))
    quiet.flush()
    assert checkpoint.close_abandoned(tmp_path, NOW + 10**9) == ["gone"]


def test_names_of_deleted_parts_do_not_come_back(start, tmp_path):
    names = set()
    for number in range(3):
        journal = start()
        journal.append(record(number))
        journal.close()
        names.update(part.file.name for part in parts(tmp_path))
        for part in parts(tmp_path):
            part.file.unlink()
    assert len(names) == 3


def test_an_idle_gateway_makes_no_parts(start, tmp_path):
    journal = start(part_seconds=1)
    for second in range(5):
        journal.tick(NOW + second)
    assert parts(tmp_path) == []


def test_two_gateways_share_a_directory_but_not_a_name(start, tmp_path):
    for name in ("gw", "gw-2"):
        start(name).append(record(1))
    with pytest.raises(JournalError, match="another gateway"):
        start("gw")


@pytest.mark.parametrize("name", ["", "a/b", "..", "-a", "a" * 65, "a b"])
def test_a_name_that_is_no_file_name_is_refused(start, name):
    with pytest.raises(JournalError):
        start(name)


def test_a_full_disk_loses_nothing_and_is_logged_once(start, tmp_path, monkeypatch, caplog):
    journal, written = start(), os.write

    def full(file, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    def nearly_full(file, data):
        return written(file, data[:7])

    monkeypatch.setattr(os, "write", full)
    with caplog.at_level(logging.ERROR):
        for number in range(4):
            journal.append(record(number))
            journal.flush()
            journal.tick(NOW + number)
    assert [entry.message.split()[0] for entry in caplog.records] == ["journal_write_failed"]
    monkeypatch.setattr(os, "write", nearly_full)
    while journal.waiting_bytes:
        journal.tick(NOW)
    assert [one.request_id for one in read_all(tmp_path)] == [b"r0", b"r1", b"r2", b"r3"]


def test_a_directory_that_cannot_be_written_stops_nothing(start, tmp_path, caplog):
    journal = start()
    blocker = tmp_path / "moved"
    journal._directory = blocker
    journal.append(record(1))
    journal.flush()
    assert journal.waiting_bytes > 0
    blocker.mkdir()
    journal.tick(NOW)
    assert (journal.waiting_bytes, len(read_all(blocker))) == (0, 1)


def test_what_waits_for_the_disk_is_bounded(start, tmp_path, monkeypatch):
    journal = start(buffer_bytes=1000)
    for number in range(100):
        journal.append(record(number))
    assert journal.waiting_bytes <= 1000
    journal.flush()
    assert len(read_all(tmp_path)) + journal.dropped == 100


def test_with_no_time_between_syncs_each_flush_is_synced(start, monkeypatch):
    journal, synced = start(fsync_seconds=0), []
    monkeypatch.setattr(os, "fsync", synced.append)
    journal.append(record(1))
    journal.flush()
    assert journal._file in synced


def test_what_was_written_is_synced_by_the_tick(start, monkeypatch):
    journal, synced = start(fsync_seconds=5), []
    monkeypatch.setattr(os, "fsync", synced.append)
    journal.append(record(1))
    journal.tick(NOW)
    journal.tick(NOW + 1)
    file = journal._file
    journal.append(record(2))
    journal.tick(NOW + 4)
    journal._syncing.result()
    assert synced.count(file) == 1
    journal.tick(NOW + 5)
    journal._syncing.result()
    assert synced.count(file) == 2


KILLED = """
import sys
from zlib import crc32
from pathlib import Path
from gateway.journal.writer import Journal
from gateway.limits.counters import Counters
from tests.gateway.test_journal import record
journal = Journal(Path(sys.argv[1]), "gw", Counters(), part_bytes=10_000, part_seconds=60, fsync_seconds=60)
number = 0
while True:
    number += 1
    journal.append(record(number))
    journal.flush()
    if number % 10 == 0:
        journal.tick(number)
    print(number, flush=True)
"""


def test_a_killed_gateway_loses_no_record_that_it_flushed(tmp_path):
    writer = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    seen = [int(writer.stdout.readline()) for _ in range(500)]
    writer.send_signal(signal.SIGKILL)
    seen += [int(line) for line in writer.stdout.read().splitlines() if line]
    writer.wait()
    writer.stdout.close()
    assert [one.quota_calls for one in read_all(tmp_path)][: seen[-1]] == list(range(1, seen[-1] + 1))
    counters = Counters()
    checkpoint.recover(tmp_path, "gw", counters, NOW)
    assert counters.quotas()[FIRST][ALICE][1] >= seen[-1]
