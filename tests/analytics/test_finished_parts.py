"""What becomes of a part of the journal once its gateway has finished it."""

import os

import pytest

from analytics.finished_parts import retire
from analytics.ingest import ingest
from analytics.models import Call, JournalPart
from gateway.journal.parts import MAGIC, frame, parts
from tests.analytics.conftest import record

pytestmark = pytest.mark.django_db


def numbers() -> list[int]:
    return sorted(call.request_id.int for call in Call.objects.all())


def settle(directory) -> None:
    """What the worker does again and again."""
    for _ in range(5):
        ingest(directory)
        retire(directory)


def test_a_part_that_is_ingested_is_deleted(write, tmp_path):
    write(record(1))
    ingest(tmp_path)
    assert retire(tmp_path) == 1
    assert parts(tmp_path) == []
    assert JournalPart.objects.get().deleted_at is not None


def test_a_part_that_is_not_ingested_stays(write, tmp_path):
    write(record(1))
    assert retire(tmp_path) == 0
    assert len(parts(tmp_path)) == 1


def test_a_part_that_is_being_written_stays(start_gateway, tmp_path):
    journal = start_gateway()
    journal.append(record(1))
    journal.flush()
    ingest(tmp_path)
    assert retire(tmp_path) == 0
    journal.append(record(2))
    journal.flush()
    assert ingest(tmp_path) == 1


def test_a_part_that_was_handed_over_with_nothing_in_it_is_deleted_without_a_word(start_gateway, tmp_path, caplog):
    old = start_gateway()
    old.append(record(1))
    old.hand_over().result()
    new = start_gateway()
    new.append(record(2))
    old.tick(0)
    for journal in (old, new):
        journal.close()
    settle(tmp_path)
    assert numbers() == [1, 2]
    assert parts(tmp_path) == []
    assert [entry for entry in caplog.records if entry.levelname == "ERROR"] == []


def test_the_journal_of_a_gateway_that_was_killed_for_good_is_ingested_and_deleted(tmp_path):
    file = tmp_path / "gone-000000000005.journal"
    file.write_bytes(MAGIC + frame(record(1)) + frame(record(2))[:-3])
    settle(tmp_path)
    assert parts(tmp_path) != []
    os.utime(file, (0, 0))
    settle(tmp_path)
    assert numbers() == [1]
    assert parts(tmp_path) == []


def test_a_deleted_part_that_comes_back_is_not_ingested_again(write, tmp_path):
    write(record(1))
    file = parts(tmp_path)[0].file
    content = file.read_bytes()
    settle(tmp_path)
    file.write_bytes(content)
    settle(tmp_path)
    assert numbers() == [1]
    assert parts(tmp_path) == []


def test_a_crash_before_the_deletion_is_noted_does_no_harm(write, tmp_path):
    write(record(1))
    ingest(tmp_path)
    parts(tmp_path)[0].file.unlink()
    settle(tmp_path)
    assert numbers() == [1]


FRAMES = [frame(record(number)) for number in range(4)]
BROKEN_LENGTH = b"\xff\xff\xff\x00" + FRAMES[1][4:]
BROKEN_PAYLOAD = FRAMES[1][:-1] + bytes([FRAMES[1][-1] ^ 1])


@pytest.mark.parametrize(
    ("content", "kept", "problems"),
    [
        pytest.param(MAGIC + b"".join([FRAMES[0], BROKEN_PAYLOAD, *FRAMES[2:]]), [0, 2, 3], 1, id="a changed byte"),
        pytest.param(MAGIC + b"".join([FRAMES[0], BROKEN_LENGTH, *FRAMES[2:]]), [0, 2, 3], 1, id="a changed length"),
        pytest.param(MAGIC + FRAMES[0] + b"\0" * 9000 + FRAMES[2], [0, 2], 1, id="a hole in the middle"),
        pytest.param(MAGIC + BROKEN_PAYLOAD + FRAMES[2] + BROKEN_PAYLOAD + FRAMES[3], [2, 3], 2, id="two places"),
        pytest.param(MAGIC + FRAMES[0] + FRAMES[1][:-3], [0], 1, id="a torn tail"),
        pytest.param(MAGIC + FRAMES[0] + b"\0" * 4096, [0], 1, id="zeros after a loss of power"),
        pytest.param(MAGIC + FRAMES[0] + b"\xff" * 9000, [0], 1, id="noise at the end"),
        pytest.param(b"\0" * 500, [], 1, id="nothing but zeros"),
        pytest.param(MAGIC[:3], [], 1, id="hardly begun"),
        pytest.param(b"", [], 0, id="empty"),
    ],
)
def test_damage_is_reported_once_and_what_lies_behind_it_is_ingested(write, tmp_path, caplog, content, kept, problems):
    write(record(9))
    parts(tmp_path)[0].file.write_bytes(content)
    settle(tmp_path)
    assert numbers() == kept
    assert parts(tmp_path) == []
    assert sum(JournalPart.objects.values_list("problems", flat=True)) == problems
    errors = [entry.getMessage() for entry in caplog.records if entry.levelname == "ERROR"]
    assert len(errors) == problems
    assert all("bytes" in error for error in errors)
