"""A file is replaced in one step."""

import os
import stat

import pytest

from gateway.replacing import replace_file


@pytest.mark.parametrize("is_lasting", [True, False])
def test_a_file_is_replaced_and_has_its_mode(is_lasting, tmp_path):
    file = tmp_path / "folder" / "a.checkpoint"
    before = os.umask(0o077)
    try:
        assert replace_file(file, [b"old"], mode=0o640, is_lasting=is_lasting) == 3
        assert replace_file(file, (piece for piece in [b"ne", b"wer"]), mode=0o640, is_lasting=is_lasting) == 5
    finally:
        os.umask(before)
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"newer", 0o640)
    assert os.listdir(file.parent) == ["a.checkpoint"]


def test_what_fails_on_the_way_leaves_the_old_file(tmp_path):
    def pieces():
        yield b"half"
        raise OSError("the disk is full")

    file = tmp_path / "a"
    replace_file(file, [b"old"], mode=0o600)
    with pytest.raises(OSError, match="full"):
        replace_file(file, pieces(), mode=0o600)
    assert file.read_bytes() == b"old"


def test_a_file_that_is_to_last_is_synced_and_so_is_its_folder(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    replace_file(tmp_path / "a", [b"1"], mode=0o600, is_lasting=False)
    assert synced == []
    replace_file(tmp_path / "a", [b"1"], mode=0o600)
    assert synced == [str(tmp_path / "a.new"), str(tmp_path)]
