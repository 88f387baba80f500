"""Processes are killed under load, one after another; then the database is held against what callers saw."""

import os
import shlex
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import psycopg
import pytest

from tests.browser.conftest import INHERITED_NOT, ROOT, Running, start, stop
from tests.chaos.callers import Callers
from tests.chaos.servers import POSTGRESQL_PROGRAMS, PostgreSQL, family, wait_until
from tests.gateway.redis_server import RedisServer

THREADS = 8
ANSWERS_BETWEEN_KILLS = 150
ROUNDS = 2
PROCESSES = {
    "worker of the gateway": "-m gateway.process.worker",
    "gateway": "-m gateway ",
    "worker": "portal.celery worker",
    "publisher": "manage.py publish",
    "web": "granian",
}
ROLLUPS = [
    f"{of}{period}"
    for of in ("usage", "operation", "api", "product", "country", "total")
    for period in ("quarter", "day")
]
# A quota that counts every call, so that its count can be held against them.
SET_QUOTA = """
from policies.models import ProductPolicy
from subscriptions.models import Product
document = '<policies><inbound><base /><quota calls="1000000000" renewal-period="0" /></inbound></policies>'
ProductPolicy.objects.update_or_create(product=Product.objects.get(name="unlimited"), defaults={"document": document})
"""

pytestmark = pytest.mark.chaos


def test_no_answered_call_is_lost_or_counted_twice_with_files_alone(tmp_path):
    with product(tmp_path / "data", {}) as running:
        callers = disturb(running, [*PROCESSES], {})
        check(callers, running, lambda query: rows_of_sqlite(running.data / "db.sqlite3", query))


@pytest.mark.skipif(not os.environ.get("CI") and POSTGRESQL_PROGRAMS is None, reason="PostgreSQL is not installed")
def test_no_answered_call_is_lost_or_counted_twice_with_postgresql_and_redis(tmp_path):
    """This Redis keeps what it has answered: one that loses its data may miss calls of the moment of the loss."""
    with closing(RedisServer(tmp_path)) as redis, closing(PostgreSQL()) as database:
        settings = {
            "DATABASE_URL": database.url,
            "REDIS_URL": redis.url,
            "CELERY_BROKER_URL": redis.url.replace("/0", "/1"),
            "GATEWAY_WORKERS": "2",
        }
        with product(tmp_path / "data", settings) as running:
            callers = disturb(running, [*PROCESSES, "database", "redis"], {"database": database, "redis": redis})
            check(callers, running, lambda query: rows_of_postgresql(database.url, query))


# -- The product, and what happens to it ---------------------------------------------------------


@contextmanager
def product(data: Path, settings: dict[str, str]) -> Iterator[Running]:
    process, running = start(data, "--demo", last="Try", settings=settings)
    running.lines["pid"] = str(process.pid)
    environment = {name: value for name, value in os.environ.items() if name not in INHERITED_NOT}
    subprocess.run(
        [sys.executable, "manage.py", "shell", "--command", SET_QUOTA],
        cwd=ROOT,
        env={**environment, "DATA_DIR": str(data), **settings},
        check=True,
    )
    try:
        yield running
    finally:
        assert stop(process) == 0


def disturb(running: Running, kills: list[str], servers: dict[str, PostgreSQL | RedisServer]) -> Callers:
    """Call without pause, and kill each of these so many times; in between answers go on."""
    callers = callers_of(running)
    try:
        for name in kills * ROUNDS:
            enough = len(callers.answered) + ANSWERS_BETWEEN_KILLS
            if name in servers:
                servers[name].kill()
                servers[name].start()
                wait_until(partial(counts_are_settled, running))
            else:
                kill_one(int(running["pid"]), PROCESSES[name])
            wait_until(partial(callers.have_answers, enough))
    finally:
        callers.stop()
    return callers


def counts_are_settled(running: Running) -> bool:
    """Whether all workers count in Redis, if at all: who is killed before may lose what it decided alone."""
    with urlopen(f"http://127.0.0.1:{running['Management port']}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return all(line.endswith(" 1.0") for line in lines if line.startswith("apim_gateway_redis_up{"))


def callers_of(running: Running) -> Callers:
    """They make the call that the start suggests."""
    words = shlex.split(running["Try"])
    url = urlsplit(words[1])
    headers = dict(words[index + 1].split(": ", 1) for index, word in enumerate(words) if word == "-H")
    return Callers(url.port, f"{url.path}?{url.query}", headers, words[words.index("-d") + 1], threads=THREADS)


def kill_one(starter: int, command: str) -> None:
    def found() -> list[int]:
        return [pid for pid, line in family(starter).items() if command in line and not line.startswith("/bin/sh")]

    wait_until(found)
    os.kill(found()[0], signal.SIGKILL)


def check(callers: Callers, running: Running, rows: Callable[[str], list[tuple]]) -> None:
    """Each answer is in the database once, as the caller saw it; a broken call at most once."""
    recorded: dict[int, int] = {}

    def all_is_in() -> bool:
        found = rows("SELECT url, response_code FROM analytics_call WHERE url LIKE '%number=%'")
        numbers = Counter(number_of(url) for url, _ in found)
        assert [number for number, times in numbers.items() if times > 1] == []
        recorded.update({number_of(url): status for url, status in found})
        return callers.answered.keys() <= recorded.keys()

    wait_until(all_is_in)
    assert {number: recorded[number] for number in callers.answered} == callers.answered
    assert recorded.keys() <= callers.answered.keys() | callers.broken
    assert callers.statuses[200] > ANSWERS_BETWEEN_KILLS
    wait_until(partial(sums_are_those_of_the_calls, rows))
    ((counted,),) = rows("SELECT max(calls) FROM analytics_quotause")
    admitted = sum(status == 200 for status in recorded.values())
    assert admitted <= counted <= len(recorded) + len(callers.broken)


def sums_are_those_of_the_calls(rows: Callable[[str], list[tuple]]) -> bool:
    """In each roll-up, once none waits."""
    if rows("SELECT count(*) FROM analytics_pendingcalls") != [(0,)]:
        return False
    stored = rows("SELECT count(*), sum(response_bytes) FROM analytics_call")
    sums = "sum(success + blocked + failed + other), sum(response_bytes)"
    found = [rows(f"SELECT {sums} FROM analytics_{table}") for table in ROLLUPS]
    return all(one == stored for one in found)


def number_of(url: str) -> int:
    return int(url.rpartition("number=")[2])


def rows_of_sqlite(file: Path, query: str) -> list[tuple]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=20)) as connection:
        return connection.execute(query).fetchall()


def rows_of_postgresql(url: str, query: str) -> list[tuple]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()
