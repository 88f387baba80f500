"""A worker that is killed in the midst of its work, and what the next one finds: each call is counted once.

The killed one is a process of its own, with the tests' database.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import F, Sum

from analytics import rollups
from analytics.ingest import ingest
from analytics.models import Call, JournalPart, PendingCalls, SubscriptionQuarter
from tests.analytics.conftest import record

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite's database of the tests is in the memory of one process"
    ),
]
PROGRAM = """
import os, signal, sys
import django
from django.conf import settings
django.setup()
settings.DATABASES["default"]["NAME"] = sys.argv[1]
from pathlib import Path
from analytics import ingest, rollups, rows

def kill_at(module, name, times):
    step, left = getattr(module, name), [times]
    def dying(*arguments, **fields):
        result = step(*arguments, **fields)
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    setattr(module, name, dying)

module, name, times, work = sys.argv[2:6]
kill_at({"rollups": rollups, "rows": rows, "ingest": ingest}[module], name, int(times))
rollups.settle() if work == "settle" else ingest.ingest(Path(sys.argv[6]))
"""
CALLS = F("success") + F("blocked") + F("failed") + F("other")


def killed_at(module: str, name: str, times: int, *work: str) -> None:
    environment = os.environ | {
        "DATABASE_URL": os.environ["TEST_DATABASE_URL"],
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "SECRET_KEY": "k" * 50,
        "KEY_ENCRYPTION_KEY": "k" * 50,
        "DATA_DIR": str(settings.DATA_DIR),
    }
    arguments = [connection.settings_dict["NAME"], module, name, str(times), *work]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], env=environment, cwd=Path(__file__).parents[2], check=False
    )
    assert done.returncode == -signal.SIGKILL


def counted() -> list[int]:
    """By each of the roll-ups."""
    return [grain.model.objects.aggregate(calls=Sum(CALLS, default=0))["calls"] for grain in rollups.GRAINS]


@pytest.mark.parametrize(
    ("name", "times"),
    [("_kind_ids", 1), ("_add", 1), ("_add", 3), ("add", 1)],
    ids=["kinds are made", "one table is written", "some tables are written", "all tables are written"],
)
def test_a_kill_in_the_midst_of_summing_neither_loses_nor_doubles(write, tmp_path, name, times):
    for number in range(3):
        write(record(number * 900), record(number * 900 + 1, api=2))
        ingest(tmp_path)
    killed_at("rollups", name, times, "settle")
    assert (PendingCalls.objects.count(), counted()) == (3, [0] * len(rollups.GRAINS))
    while rollups.settle():
        pass
    assert (PendingCalls.objects.count(), counted()) == (0, [6] * len(rollups.GRAINS))


@pytest.mark.parametrize(
    ("module", "name"),
    [("ingest", "advance"), ("rows", "add_quarters"), ("rows", "insert_calls")],
    ids=["the offset has moved", "sums are added", "rows are stored"],
)
def test_a_kill_in_the_midst_of_the_ingest_neither_loses_nor_doubles(write, tmp_path, module, name):
    write(*map(record, range(20)))
    killed_at(module, name, 1, "ingest", str(tmp_path))
    assert (Call.objects.count(), PendingCalls.objects.count()) == (0, 0)
    assert not JournalPart.objects.exclude(offset=0).exists()
    assert ingest(tmp_path) == 20
    assert ingest(tmp_path) == 0
    rollups.settle()
    assert Call.objects.count() == 20
    assert counted() == [20] * len(rollups.GRAINS)
    assert SubscriptionQuarter.objects.get().calls == 20
