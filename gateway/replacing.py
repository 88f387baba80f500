"""The one place where a file is replaced."""

import os
from collections.abc import Iterable
from pathlib import Path


def replace_file(file: Path, pieces: Iterable[bytes], *, mode: int, is_lasting: bool = True) -> int:
    """Put the pieces in the file's place in one step: readers see the old file or the new one, whole. Gives its size.

    One that is to last is on the disk when this returns, and under its name, also after a loss of
    power; that takes as long as the disk does. Only one process may replace a file at a time. Raises
    OSError; the old file stays then.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f"{file.name}.new")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode), "wb") as stream:
        # An umask, or an earlier one that was left behind, does not count.
        os.fchmod(stream.fileno(), mode)
        stream.writelines(pieces)
        stream.flush()
        size = stream.tell()
        if is_lasting:
            os.fsync(stream.fileno())
    fresh.replace(file)
    if is_lasting:
        sync_folder(file.parent)
    return size


def sync_folder(folder: Path) -> None:
    """So that a file made in it is still there after a loss of power. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
