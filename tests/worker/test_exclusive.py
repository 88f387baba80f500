"""One at a time, among threads and processes."""

import subprocess
import sys

from portal.exclusive import only_one


def test_the_second_one_does_not_wait_and_knows(tmp_path):
    with only_one(tmp_path / "locks" / "a") as first, only_one(tmp_path / "locks" / "a") as second:
        assert (first, second) == (True, False)
    with only_one(tmp_path / "locks" / "a") as again:
        assert again


def test_different_files_do_not_meet(tmp_path):
    with only_one(tmp_path / "a") as first, only_one(tmp_path / "b") as second:
        assert first
        assert second


def test_a_process_that_died_holds_nothing(tmp_path):
    program = f"""
import os, pathlib, portal.exclusive
with portal.exclusive.only_one(pathlib.Path({str(tmp_path / "a")!r})) as mine:
    assert mine
    os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == 9
    with only_one(tmp_path / "a") as mine:
        assert mine
