"""How fast the journal gets into the database: `python -m bench.ingest [records]`.

Writes a journal as a busy gateway would, ingests it into a new database (SQLite, or the PostgreSQL
of DATABASE_URL, where a test database is made), adds it to the roll-ups, and prints records per
second, with and without a row per call.
"""

import os
import random
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

SUBSCRIPTIONS = 500


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as folder:
        os.environ.update(SECRET_KEY="s" * 40, KEY_ENCRYPTION_KEY="k" * 40, DATA_DIR=folder)
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
        import django

        django.setup()
        measure(Path(folder), count)


def measure(folder: Path, count: int) -> None:
    from django.conf import settings
    from django.db import connection

    from subscriptions.lifecycle import create

    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        subscriptions = [create(display_name=f"Subscription {number}", by=None) for number in range(SUBSCRIPTIONS)]
        keys = [
            (key.subscription_id.bytes, bytes.fromhex(key.digest)[:8])
            for one in subscriptions
            for key in one.keys.all()
        ]
        for days in (30, 0):
            settings.RAW_CALL_DAYS = days
            directory = folder / f"journal-{days}"
            size = write_journal(directory, count, f"bench{days}", keys)
            seconds, processor_seconds = ingest_all(directory, count)
            kind = "a row per call" if days else "sums only"
            print(
                f"{connection.vendor}, {kind}: {count:,} records ({size / 2**20:.0f} MiB) in {seconds:.2f} s: "
                f"{count / seconds:,.0f} records/s, {count / processor_seconds:,.0f} for each second of processor time"
            )
    finally:
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)


def write_journal(directory: Path, count: int, gateway: str, keys: Sequence[tuple[bytes, bytes]]) -> int:
    """`keys` are subscriptions, and the start of the digest of a key of each."""
    from gateway.journal.parts import MAGIC, frame, part_file
    from gateway.journal.record import CallRecord

    directory.mkdir()
    draw = random.Random(1)
    start = time.time() - 3600
    file = part_file(directory, gateway, 1)
    with file.open("wb") as stream:
        stream.write(MAGIC)
        for number in range(count):
            subscription, key = draw.choice(keys)
            record = CallRecord(
                at=start + number / 1000,
                request_id=str(uuid.UUID(int=number, version=4)).encode(),
                api=1,
                operation=draw.randrange(1, 6),
                product=1,
                subscription=subscription,
                user=subscription[-1],
                method=b"POST",
                url=b"/azureml-demo/workspaces/w1/services/s1/execute?api-version=2.0&details=true",
                caller_address="203.0.113.7",
                response_code=200,
                backend_code=200,
                total_seconds=0.0123,
                backend_seconds=0.0119,
                request_bytes=640,
                response_bytes=2048,
                quota_period_start=start,
                quota_calls=number,
                key=key,
            )
            stream.write(frame(record))
    return file.stat().st_size


def ingest_all(directory: Path, count: int) -> tuple[float, float]:
    """Until all of it is in the roll-ups too. Returns seconds, and those of the processor but for the database's."""
    from analytics.ingest import ingest
    from analytics.rollups import settle

    began, worked = time.perf_counter(), time.process_time()
    done = 0
    while stored := ingest(directory):
        done += stored
    while settle():
        pass
    assert done == count, f"{done} of {count} records arrived"
    return time.perf_counter() - began, time.process_time() - worked


if __name__ == "__main__":
    main()
