"""Bodies that the page cannot show, kept a short while for whoever made the call.

They lie in DATA_DIR/console, in a folder for each person, whose name no one else can guess.
"""

import contextlib
import shutil
import time
from pathlib import Path
from uuid import UUID, uuid4

from django.conf import settings
from django.utils.crypto import salted_hmac

from portal.http import PageRequest

KEPT_SECONDS = 15 * 60
KEPT_PER_PERSON = 4
KEPT_PEOPLE = 50


def keep(request: PageRequest, body: bytes) -> UUID:
    """Store a body and return the id under which `find` gives it back to the same person."""
    folder = _folder(request)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _tidy_up(folder)
    download_id = uuid4()
    file = folder / download_id.hex
    file.touch(mode=0o600)
    file.write_bytes(body)
    return download_id


def find(request: PageRequest, download_id: UUID) -> Path | None:
    file = _folder(request) / download_id.hex
    try:
        is_fresh = file.stat().st_mtime > time.time() - KEPT_SECONDS
    except OSError:
        return None
    return file if is_fresh else None


def _root() -> Path:
    return Path(settings.DATA_DIR) / "console"


def _folder(request: PageRequest) -> Path:
    return _root() / salted_hmac("portal.console.downloads", _person(request)).hexdigest()


def _person(request: PageRequest) -> str:
    if request.user.is_authenticated:
        return f"user {request.user.pk}"
    if request.session.session_key is None:
        request.session.create()
    return f"session {request.session.session_key}"


def _tidy_up(own: Path) -> None:
    """Make room for one more: old files go, then the oldest of too many. Whatever another thread took, let go."""
    deadline = time.time() - KEPT_SECONDS
    for position, folder in enumerate(_newest_first(_root())):
        if folder != own and (position >= KEPT_PEOPLE or _changed_at(folder) < deadline):
            shutil.rmtree(folder, ignore_errors=True)
    for position, file in enumerate(_newest_first(own)):
        if position >= KEPT_PER_PERSON - 1 or _changed_at(file) < deadline:
            with contextlib.suppress(OSError):
                file.unlink()


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.iterdir(), key=_changed_at, reverse=True)


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
