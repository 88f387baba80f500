"""Files on a disk that lies: what is read was written, or it is not read."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.configuration import snapshot
from gateway.configuration.frames import frame as framed
from gateway.configuration.snapshot import Gone, Snapshot, SnapshotError
from gateway.journal import checkpoint
from gateway.journal.parts import MAGIC, frame, read_records
from gateway.journal.record import CallRecord
from gateway.telemetry.access_log import LINE_BYTES, line
from tests.gateway.snapshots import api, subscription
from tests.gateway.snapshots import snapshot as made_of

TEXT = st.text(max_size=20)
NUMBERS = st.integers(0, 2**40)
RECORDS = st.builds(
    CallRecord,
    at=st.floats(0, 4e9),
    request_id=st.binary(max_size=36).map(lambda value: value.hex().encode()),
    api=st.none() | NUMBERS,
    operation=st.none() | NUMBERS,
    product=st.none() | NUMBERS,
    subscription=st.none() | st.binary(min_size=16, max_size=16),
    user=st.none() | NUMBERS,
    method=st.sampled_from([b"GET", b"M" * 64, b"!#$%&'*+"]),
    url=st.binary(max_size=2000) | st.integers(0, 16_384).map(lambda size: b"/" + b"\xff" * size),
    caller_address=st.ip_addresses().map(str),
    response_code=st.integers(0, 999),
    backend_code=st.none() | st.integers(0, 999),
    total_seconds=st.floats(0, 1e6),
    backend_seconds=st.none() | st.floats(0, 1e6),
    request_bytes=NUMBERS,
    response_bytes=NUMBERS,
    error_source=TEXT,
    error_reason=TEXT,
)
# Where a file is damaged: cut there, one byte changed, some zeros, or a piece lost or repeated.
DAMAGES = st.tuples(
    st.sampled_from(["cut", "flip", "zeros", "lose", "repeat", "grow"]), st.integers(0, 10**6), st.integers(1, 255)
)


def damaged(content: bytes, damage: tuple[str, int, int]) -> bytes:
    kind, place, size = damage
    place %= len(content)
    if kind == "cut":
        return content[:place]
    if kind == "flip":
        return content[:place] + bytes([content[place] ^ size]) + content[place + 1 :]
    if kind == "zeros":
        return content[:place] + bytes(min(size, len(content) - place)) + content[place + size :]
    if kind == "lose":
        return content[:place] + content[place + size :]
    if kind == "repeat":
        return content[: place + size] + content[place:]
    return content + bytes([size]) * (place % 50 + 1)


def same_bytes(one: bytes, other: bytes) -> int:
    """How many of them are the same from the start on."""
    differing = (place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1])
    return next(differing, min(len(one), len(other)))


@pytest.fixture(scope="module")
def folder():
    with TemporaryDirectory() as made:
        yield Path(made)


@given(st.lists(RECORDS, max_size=5), DAMAGES)
def test_a_damaged_part_gives_the_records_before_the_damage(folder, records, damage):
    written = MAGIC + b"".join(map(frame, records))
    content = damaged(written, damage)
    file = folder / "part"
    file.write_bytes(content)
    read = list(read_records(file))
    kept = [record for record, _ in read]
    common, end, sound = same_bytes(written, content), len(MAGIC), []
    for record in records:
        end += len(frame(record))
        if end <= common:
            sound.append(record)
    assert kept[: len(sound)] == sound
    # A repeated piece may hold whole frames; nothing else may come of a damage.
    assert all(record in records for record in kept)


@given(st.lists(RECORDS, max_size=5), st.binary(max_size=30))
def test_reading_goes_on_from_each_offset_that_was_given(folder, records, torn):
    file = folder / "part"
    file.write_bytes(MAGIC + b"".join(map(frame, records)) + torn)
    read = list(read_records(file))
    assert [record for record, _ in read][: len(records)] == records
    for index, (_, offset) in enumerate(read):
        assert list(read_records(file, offset)) == read[index + 1 :]


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_a_part_with_or_without_records(folder, content, has_magic):
    file = folder / "part"
    file.write_bytes((MAGIC if has_magic else b"") + content)
    assert all(isinstance(record, CallRecord) for record, _ in read_records(file))


@given(
    st.recursive(st.none() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=9) | TEXT, st.lists, max_leaves=20)
)
def test_a_whole_frame_of_something_else_ends_the_part(folder, payload):
    file = folder / "part"
    file.write_bytes(MAGIC + framed(msgspec.msgpack.encode(payload)))
    assert list(read_records(file)) == []


@given(
    st.dictionaries(
        st.tuples(NUMBERS, NUMBERS, NUMBERS),
        st.dictionaries(st.binary(min_size=16, max_size=16), st.tuples(st.floats(0, 4e9), NUMBERS, NUMBERS)),
    ),
    DAMAGES,
)
def test_a_damaged_checkpoint_is_none(folder, quotas, damage):
    file, state = folder / "x.checkpoint", checkpoint.Checkpoint(7, quotas=quotas)
    checkpoint.write(file, state)
    assert checkpoint.read(file) == state
    content = file.read_bytes()
    file.write_bytes(damaged(content, damage))
    assert file.read_bytes() == content or checkpoint.read(file) is None


FIRST = made_of(
    api(1, "echo", "GET /a", "GET /b"),
    api(2, "other"),
    *(subscription(b"K%d" % number, id=bytes([number]) * 16) for number in range(60)),
)
SECOND = made_of(api(2, "other", "GET /c"), subscription(b"L", id=b"L" * 16), revision=2)
GONE = Gone(apis=(1,), subscriptions=(bytes([3]) * 16,))


@dataclass(repr=False)
class Written:
    """A snapshot file of two changes, and what it says after the first, which ends at `size`, and after both."""

    content: bytes
    size: int
    before: Snapshot
    after: Snapshot


@pytest.fixture(scope="module")
def written(folder) -> Written:
    file = folder / "snapshot"
    size = snapshot.write(FIRST, file)
    before = snapshot.read(file)
    snapshot.append(SECOND, GONE, file, size)
    return Written(file.read_bytes(), size, before, snapshot.read(file))


@given(DAMAGES)
def test_a_damaged_snapshot_is_refused_or_says_what_was_written(folder, written, damage):
    file = folder / "damaged"
    content = damaged(written.content, damage)
    file.write_bytes(content)
    try:
        found = snapshot.read(file)
    except SnapshotError:
        return
    if content == written.content:
        assert found == written.after
    elif content == written.content[: written.size]:
        assert found == written.before
    else:
        # Only the loss or repetition of just a whole frame is not noticed. Nothing is read that was not written.
        assert damage[0] in ("lose", "repeat")
        assert set(found.apis) <= {*FIRST.apis, *SECOND.apis}
        assert set(found.subscriptions) <= {*FIRST.subscriptions, *SECOND.subscriptions}


@given(st.binary(max_size=300))
def test_any_bytes_are_a_snapshot_or_refused(folder, content):
    file = folder / "damaged"
    file.write_bytes(snapshot.MAGIC + content)
    with pytest.raises(SnapshotError):
        snapshot.read(file)


@given(RECORDS, st.integers(0, 9), st.none() | st.just(b"0" * 32))
def test_any_record_makes_one_line_that_a_pipe_takes_as_a_whole(record, retries, trace_id):
    written = line(record, retries, trace_id)
    assert len(written) <= LINE_BYTES
    assert written.count(b"\n") == 1
    assert msgspec.json.decode(written)["status"] == record.response_code
