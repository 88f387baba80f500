"""Who writes what in the journal's directory. The kernel frees a lock when its process ends.

A gateway's name is locked by the process that counts under it and writes its checkpoints; each part
by the process that writes it. At a hand-over the name changes hands, while the process before still
writes its last part.
"""

import fcntl
import os
from pathlib import Path


def lock_name(directory: Path, gateway: str) -> int | None:
    """The descriptor that holds the lock; None where another process has it. Raises OSError."""
    descriptor = os.open(directory / f"{gateway}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def new_part(file: Path) -> int:
    """Make the file; it is locked until the descriptor is closed. Raises FileExistsError, and any OSError."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def is_being_written(part: Path) -> bool:
    """Raises OSError."""
    descriptor = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
