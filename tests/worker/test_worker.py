"""The worker as it runs: queue, beat and tasks, on SQLite and files."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from gateway.journal.record import CallRecord
from gateway.journal.writer import Journal
from gateway.limits.counters import Counters

ROOT = Path(__file__).resolve().parent.parent.parent
# Each process begins with all of the product's code to load, which takes long on a machine that is busy.
DEADLINE_SECONDS = 180
WORKER = "-m celery --quiet --app portal.celery worker --beat --pool threads --concurrency 2 --loglevel warning"


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict[str, str]:
    """A new installation."""
    data = tmp_path_factory.mktemp("data")
    environment = os.environ | {
        "DATA_DIR": str(data),
        "DATABASE_URL": f"sqlite:///{data}/db.sqlite3",
        "CELERY_BROKER_URL": "filesystem://",
        "PYTHONUNBUFFERED": "1",
    }
    run(environment, "manage.py", "migrate", "--verbosity", "0")
    return environment


# Read as Python starts: the clock goes back by so many seconds as the file says.
CLOCK = """
import os
import time

now = time.time


def shown():
    try:
        with open(os.environ["CLOCK_GOES_BACK"]) as seconds:
            return now() - float(seconds.read())
    except FileNotFoundError:
        return now()


time.time = shown
"""


@pytest.fixture
def clock(environment, tmp_path) -> Iterator[Path]:
    """The worker's clock goes back by what is written into it."""
    (tmp_path / "sitecustomize.py").write_text(CLOCK)
    seconds = tmp_path / "seconds"
    with patch.dict(environment, {"PYTHONPATH": str(tmp_path), "CLOCK_GOES_BACK": str(seconds)}):
        yield seconds


@pytest.fixture
def worker(environment):
    log = Path(environment["DATA_DIR"]) / "worker.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *WORKER.split()], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    try:
        yield process
        process.terminate()
        process.wait(DEADLINE_SECONDS)
    finally:
        process.kill()


def run(environment: dict[str, str], *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    ).stdout


def query(environment: dict[str, str], expression: str) -> str:
    imports = "from analytics.models import *; from notifications.models import *; from django.core.mail import *"
    return run(environment, "manage.py", "shell", "--verbosity", "0", "-c", f"{imports}; print({expression})").strip()


def until(condition) -> None:
    end = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_the_worker_delivers_mail_and_counts_calls(environment, worker):
    data = Path(environment["DATA_DIR"])
    journal = Journal(data / "journal", "gw", Counters(), part_bytes=2**30, part_seconds=3600, fsync_seconds=1.0)
    subscription, address = uuid.uuid4(), f"alice-{uuid.uuid4().hex}@example.org"
    for _ in range(3):
        guid = str(uuid.uuid4()).encode()
        journal.append(
            CallRecord(time.time(), guid, 1, 1, 1, subscription.bytes, 1, b"GET", b"/", "::1", 200, 200, 0.1, 0.1, 1, 1)
        )
    journal.flush()
    query(environment, f"send_mail('Hello', 'Hi', None, ['{address}'])")
    until(lambda: any(address in mail.read_text() for mail in data.glob("mail/*.eml")))
    until(lambda: query(environment, f"Call.objects.filter(subscription_id='{subscription}').count()") == "3")
    journal.close()
    until(lambda: query(environment, f"OutboxMail.objects.get(recipients=['{address}']).state") == "sent")
    log = (data / "worker.log").read_text()
    assert f"Mail to {address}: Hello" in log
    assert "ERROR" not in log


def until_ready(environment: dict[str, str]) -> None:
    time_to_be_ready = Path(environment["DATA_DIR"]) / "locks" / "mail"
    time_to_be_ready.unlink(missing_ok=True)
    until(time_to_be_ready.exists)


def test_a_worker_whose_clock_goes_back_ends_and_says_why(environment, clock, worker):
    until_ready(environment)
    moved = clock.with_suffix(".new")
    moved.write_text("3600")
    moved.replace(clock)
    until(lambda: worker.poll() is not None)
    assert "The clock has gone back by 3600 seconds" in (Path(environment["DATA_DIR"]) / "worker.log").read_text()


def test_a_worker_whose_beat_dies_ends_and_says_why(environment, worker):
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
    until(lambda: worker.poll() is None and children.read_text().split())
    until_ready(environment)
    os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
    until(lambda: worker.poll() is not None)
    assert "The beat has died" in (Path(environment["DATA_DIR"]) / "worker.log").read_text()
