"""How far the usage that pages show is behind the calls."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from analytics.models import JournalPart
from gateway.journal.lag import waiting
from gateway.journal.parts import parts

# By more than the rounds of the ingest take; from then on pages say that calls come in late.
LATE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class IngestLag:
    """`oldest` is when the oldest call was made that is not ingested; None where none waits."""

    oldest: datetime | None
    bytes: int

    def seconds(self, now: datetime) -> float:
        """A gateway's clock may be ahead."""
        return max((now - self.oldest).total_seconds(), 0.0) if self.oldest is not None else 0.0


def ingested_offsets(directory: Path) -> dict[str, int]:
    """Until where the parts that are there are ingested, by name."""
    names = [part.file.name for part in parts(directory)]
    return dict(JournalPart.objects.filter(name__in=names).values_list("name", "offset"))


def ingest_lag() -> IngestLag | None:
    """None where the journal is on another machine. One query, and a short read of a file for each gateway."""
    directory = Path(settings.JOURNAL_DIR)
    if not directory.is_dir():
        return None
    found = waiting(directory, ingested_offsets(directory))
    try:
        oldest = datetime.fromtimestamp(found.oldest, UTC) if found.oldest is not None else None
    except (ValueError, OverflowError, OSError):
        # The ingest reports what is wrong with such a record.
        oldest = None
    return IngestLag(oldest, found.bytes)
