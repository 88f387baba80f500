"""The files of issues, in DATA_DIR/attachments under random names.

A file is there before its row and goes after it, so that a crash leaves no row without its file. What it
leaves is a file without a row, which `remove_orphans` takes away.
"""

import os
import secrets
import time
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from feedback.content_types import ContentError, examined
from feedback.models import Attachment

FILE_LIMIT_BYTES = 5 * 2**20
FILES_AT_ONCE = 5
FILES_PER_ISSUE = 20
ISSUE_LIMIT_BYTES = 25 * 2**20
LONGEST_TITLE = 100
# Longer than any request takes, so that no file is taken for an orphan that waits for its row.
ORPHAN_SECONDS = 6 * 3600
_ROWS_ASKED = 500


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was examined and may be kept."""

    title: str
    content_format: str
    content: bytes


@dataclass(frozen=True, slots=True)
class StoredFile:
    upload: Upload
    name: str


def upload_of(name: str, content: bytes, size: int) -> Upload:
    """Examine a file that a person sends. `size` may be more than the content that was taken. Raises ContentError."""
    title = _title(name)
    if size > FILE_LIMIT_BYTES:
        limit = {"name": title, "limit": filesizeformat(FILE_LIMIT_BYTES)}
        raise ContentError(_("%(name)s: it is larger than %(limit)s.") % limit)
    if not content:
        raise ContentError(_("%(name)s: it is empty.") % {"name": title})
    kind, kept = examined(title, content)
    return Upload(title, kind.media_type, kept)


def _title(name: str) -> str:
    """The name without folders and without characters that are not seen; its end, if it is too long."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    seen = "".join(one for one in last if unicodedata.category(one)[0] not in "CZ" or one == " ")
    return seen.strip()[-LONGEST_TITLE:]


def path_of(attachment: Attachment) -> Path:
    return _path(attachment.stored_as)


@contextmanager
def stored(uploads: Sequence[Upload]) -> Iterator[list[StoredFile]]:
    """Write the files; whatever goes wrong within, takes them away again."""
    files: list[StoredFile] = []
    try:
        for upload in uploads:
            files.append(StoredFile(upload, secrets.token_hex(16)))
            _write(_path(files[-1].name), upload.content)
        yield files
    except BaseException:
        remove([one.name for one in files])
        raise


def remove(names: Collection[str]) -> None:
    for name in names:
        _path(name).unlink(missing_ok=True)


def remove_orphans(now: float | None = None) -> int:
    """Remove files that no row names; returns how many."""
    deadline = (time.time() if now is None else now) - ORPHAN_SECONDS
    old = [file for file in _root().glob("??/*") if _changed_before(file, deadline)]
    removed = 0
    for start in range(0, len(old), _ROWS_ASKED):
        some = {file.name: file for file in old[start : start + _ROWS_ASKED]}
        named = set(Attachment.objects.filter(stored_as__in=some).values_list("stored_as", flat=True))
        for name in some.keys() - named:
            some[name].unlink(missing_ok=True)
            removed += 1
    return removed


def _root() -> Path:
    return Path(settings.DATA_DIR) / "attachments"


def _path(name: str) -> Path:
    return _root() / name[:2] / name


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _changed_before(file: Path, deadline: float) -> bool:
    try:
        return file.stat().st_mtime < deadline
    except OSError:
        return False
