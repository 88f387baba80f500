"""Conditional header fields (RFC 9110, 13.1) as preconditions of reads and writes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from examples.azureml.storage.errors import StorageError
from examples.azureml.storage.store import Blob, Precondition


def write_condition(headers: Mapping[str, str]) -> Precondition:
    """Raises ConditionNotMet, or BlobAlreadyExists where only a new blob was wanted."""

    def check(blob: Blob | None) -> None:
        if headers.get("if-none-match") == "*" and blob is not None:
            raise StorageError("BlobAlreadyExists")
        if _is_stale(headers, blob) or _is_unchanged(headers, blob):
            raise StorageError("ConditionNotMet")

    return check


def check_read(headers: Mapping[str, str], blob: Blob) -> None:
    """Raises ConditionNotMet (412) or NotModified (304)."""
    if _is_stale(headers, blob):
        raise StorageError("ConditionNotMet")
    if _is_unchanged(headers, blob):
        raise StorageError("NotModified")


def _is_stale(headers: Mapping[str, str], blob: Blob | None) -> bool:
    """If-Match fails, or (only if there is none) If-Unmodified-Since does."""
    if "if-match" in headers:
        return blob is None or not _matches(headers["if-match"], blob)
    since = _date(headers, "if-unmodified-since")
    return since is not None and blob is not None and _whole_seconds(blob) > since


def _is_unchanged(headers: Mapping[str, str], blob: Blob | None) -> bool:
    """If-None-Match names the blob, or (only if there is none) it is as old as If-Modified-Since."""
    if blob is None:
        return False
    if "if-none-match" in headers:
        return _matches(headers["if-none-match"], blob)
    since = _date(headers, "if-modified-since")
    return since is not None and _whole_seconds(blob) <= since


def _matches(field: str, blob: Blob) -> bool:
    tags = {tag.strip() for tag in field.split(",")}
    return "*" in tags or blob.etag in tags or blob.etag.strip('"') in tags


def _date(headers: Mapping[str, str], name: str) -> datetime | None:
    """A field that is no date is ignored (RFC 9110, 13.1.3)."""
    try:
        date = parsedate_to_datetime(headers[name])
    except (KeyError, ValueError, TypeError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _whole_seconds(blob: Blob) -> datetime:
    return blob.modified_at.replace(microsecond=0)
