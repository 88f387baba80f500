"""How far the ingest is behind what gateways have written."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from gateway.journal.parts import MAGIC, parts, read_records
from gateway.replacing import replace_file

_FILE = "ingested.json"
_decode = msgspec.json.Decoder(dict[str, int]).decode


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is not ingested: its bytes, and the Unix time of the oldest call in it; None where nothing waits."""

    bytes: int
    oldest: float | None


def waiting(directory: Path, ingested: Mapping[str, int]) -> Waiting:
    """By the offsets until which parts are ingested. Reads the first record that waits of each gateway."""
    waits, oldest = 0, {}
    for part in parts(directory):
        offset = max(ingested.get(part.file.name, 0), len(MAGIC))
        # A part that is ingested may be deleted at any moment.
        with suppress(FileNotFoundError):
            size = part.file.stat().st_size
            waits += max(size - offset, 0)
            if size > offset and part.gateway not in oldest:
                for record, _ in read_records(part.file, offset):
                    oldest[part.gateway] = record.at
                    break
    return Waiting(waits, min(oldest.values(), default=None))


def note_ingested(directory: Path, offsets: Mapping[str, int]) -> None:
    """Leave word for the gateways, which know no database. Raises OSError."""
    replace_file(directory / _FILE, [msgspec.json.encode(offsets)], mode=0o644, is_lasting=False)


def noted(directory: Path) -> dict[str, int]:
    """What was left last; nothing where that cannot be read."""
    try:
        return _decode((directory / _FILE).read_bytes())
    except (OSError, msgspec.MsgspecError):
        return {}
