"""Signs of life of the processes that nobody sees: each touches a file whenever a round of its work has succeeded."""

from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings


def beat(work: str) -> None:
    file = _file(work)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()


def last_beat(work: str) -> datetime | None:
    """When the work was last done; None if never."""
    try:
        return datetime.fromtimestamp(_file(work).stat().st_mtime, UTC)
    except FileNotFoundError:
        return None


def _file(work: str) -> Path:
    return Path(settings.DATA_DIR) / "heartbeat" / work
