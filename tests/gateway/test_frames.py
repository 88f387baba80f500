"""Frames are read as far as they are written; a damaged one is never taken for another."""

import os
from zlib import crc32

import pytest

from gateway.configuration import frames
from gateway.configuration.frames import DamagedFrame, FrameReader, frame

PAYLOADS = [b"a", b"b" * 300, bytes(100_000), b"end"]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "frames"


def read_all(file, position=0):
    descriptor = os.open(file, os.O_RDONLY)
    try:
        reader = FrameReader(descriptor, position)
        return list(iter(reader.next, None)), reader.position
    finally:
        os.close(descriptor)


def test_what_was_written_is_read(file):
    file.write_bytes(b"head" + b"".join(map(frame, PAYLOADS)))
    assert read_all(file, 4) == (PAYLOADS, file.stat().st_size)


@pytest.mark.parametrize(("payloads", "step"), [([b"a", b"bc"], 1), ([b"a", b"b" * 200_000, b"c"], 5000)])
def test_frames_are_read_as_they_are_written(file, payloads, step):
    whole = b"".join(map(frame, payloads))
    got = []
    with file.open("wb", buffering=0) as stream, file.open("rb") as reading:
        reader = FrameReader(reading.fileno(), 0)
        for start in range(0, len(whole), step):
            stream.write(whole[start : start + step])
            got += iter(reader.next, None)
    assert got == payloads


@pytest.mark.parametrize(
    "torn",
    [b"", b"\x05", frame(b"hello")[:-1], frame(b"hello")[:8], frame(bytes(200_000))[:100_000]],
    ids=["nothing", "half a length", "without its last byte", "without its payload", "half of a large one"],
)
def test_a_torn_frame_is_waited_for(file, torn):
    file.write_bytes(frame(b"whole") + torn)
    assert read_all(file) == ([b"whole"], len(frame(b"whole")))


@pytest.mark.parametrize(
    "damaged",
    [
        bytes(100),
        b"\xff" * 100,
        frame(b"hello")[:-1] + b"0",
        frame(b"")[:8],
        (frames.MAX_PAYLOAD_BYTES + 1).to_bytes(4, "little") + bytes(4),
        b"\x05\0\0\0" + crc32(b"other").to_bytes(4, "little") + b"hello",
    ],
    ids=["zeros", "ones", "another byte", "an empty one", "too long", "another checksum"],
)
def test_a_damaged_frame_is_an_error(file, damaged):
    file.write_bytes(frame(b"whole") + damaged)
    with pytest.raises(DamagedFrame, match=f"byte {len(frame(b'whole'))}"):
        read_all(file)


def test_each_flipped_bit_is_noticed(file):
    whole = frame(b"a") + frame(b"bcd")
    for position in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[position // 8] ^= 1 << position % 8
        file.write_bytes(flipped)
        try:
            got, _ = read_all(file)
        except DamagedFrame:
            continue
        assert got in ([], [b"a"]), "a length that was flipped may make the rest look torn off"
