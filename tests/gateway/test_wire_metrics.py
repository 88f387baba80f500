"""What Prometheus scrapes from a running gateway: the numbers are those of the calls made."""

import os
import signal
from collections.abc import Callable, Iterator
from urllib.request import urlopen

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from gateway.configuration.snapshot import Backend, Breaker, Snapshot
from gateway.journal.lag import note_ingested
from gateway.journal.parts import MAGIC, parts
from gateway.process.compiled import compiled_folder
from tests.gateway.conftest import Gateway, echo_snapshot, free_port, wait_for
from tests.gateway.raw import OK, TIMEOUT_SECONDS, BackendConnection
from tests.gateway.redis_server import RedisServer
from tests.gateway.test_wire_websocket import accept_and, echo, get

Samples = dict[tuple[str, ...], float]


def request(target: bytes, key: bytes = b"K1", method: bytes = b"GET") -> bytes:
    return method + b" " + target + b" HTTP/1.1\r\nHost: api.test\r\nOcp-Apim-Subscription-Key: " + key + b"\r\n\r\n"


def scrape(port: int) -> Samples:
    """By a sample's name and label values, in the order of the labels' names."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=TIMEOUT_SECONDS) as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        families = list(text_string_to_metric_families(answer.read().decode()))
    samples = [sample for family in families for sample in family.samples]
    found = {
        (sample.name.removeprefix("apim_gateway_"), *dict(sorted(sample.labels.items())).values()): sample.value
        for sample in samples
    }
    assert len(found) == len(samples), "two samples have the same labels"
    assert all(family.documentation for family in families)
    return found


@pytest.fixture
def redis(tmp_path):
    server = RedisServer(tmp_path)
    yield server
    server.close()


@pytest.fixture
def start_measured(start_gateway, backend) -> Iterator[Callable[..., Gateway]]:
    """A gateway that tells of itself on its `management` port."""
    started: list[Gateway] = []

    def start(configuration: Snapshot | None = None, **settings: object) -> Gateway:
        port = free_port()
        settings |= {"program": "tests.gateway.with_patience", "GATEWAY_MANAGEMENT_PORT": port}
        started.append(start_gateway(configuration, **settings))
        started[-1].management = port
        return started[-1]

    yield start
    for gateway in started:
        gateway.kill()


@pytest.fixture
def measured(start_measured) -> Gateway:
    return start_measured()


def test_a_worker_tells_whether_it_is_compiled(measured):
    assert scrape(measured.management)["worker_compiled", "0"] == (compiled_folder() is not None)


def test_the_numbers_are_those_of_the_calls(measured, backend):
    client = measured.connect()
    sent = [client.ask(request(b"/echo/a?b=%d" % number)) for number in range(7)]
    client.ask(request(b"/echo/a", method=b"POST"))
    for _ in range(3):
        client.ask(request(b"/echo/a", key=b"wrong"))
    client.ask(request(b"/nowhere"))
    measured.ask(request(b"/refusing/a"))
    measured.ask(b"nonsense\r\n\r\n")
    client.ask(b"GET /status-0123456789abcdef HTTP/1.1\r\nHost: x\r\n\r\n")
    samples = scrape(measured.management)
    calls = {key[1:]: value for key, value in samples.items() if key[0] == "calls_total"}
    assert calls == {
        ("echo", "GET /*", "1", "successful", "2xx"): 7,
        ("echo", "POST /*", "1", "successful", "2xx"): 1,
        ("echo", "GET /*", "", "blocked", "4xx"): 3,
        ("", "", "", "other", "4xx"): 1,
        ("refusing", "GET /*", "1", "failed", "5xx"): 1,
    }
    errors = {key[1:]: value for key, value in samples.items() if key[0] == "errors_total"}
    assert errors == {
        ("echo", "SubscriptionKeyInvalid", "authorization"): 3,
        ("", "OperationNotFound", "configuration"): 1,
        ("refusing", "BackendConnectionFailure", "forward-request"): 1,
    }
    records = [record for record in measured.records() if record.api == 1]
    assert (
        samples["call_duration_seconds_count", "echo"] == samples["call_duration_seconds_bucket", "echo", "+Inf"] == 11
    )
    assert samples["call_duration_seconds_sum", "echo"] == pytest.approx(sum(one.total_seconds for one in records))
    assert samples["backend_duration_seconds_count", "echo"] == 8
    assert samples["request_bytes_total", "echo"] == sum(one.request_bytes for one in records)
    assert samples["response_bytes_total", "echo"] == sum(one.response_bytes for one in records)
    assert samples["response_bytes_total", "echo"] > sum(len(one.head + one.body) for one in sent)


def test_two_workers_are_one_gateway(start_measured, redis):
    gateway = start_measured(GATEWAY_WORKERS=2, REDIS_URL=redis.url)
    clients = [gateway.connect() for _ in range(40)]
    for client in clients:
        assert [client.ask(request(b"/echo/a")).status for _ in range(3)] == [200] * 3
    samples = scrape(gateway.management)
    assert samples["calls_total", "echo", "GET /*", "1", "successful", "2xx"] == 120
    assert samples["call_duration_seconds_count", "echo"] == 120
    by_worker = [samples["caller_connections", worker] for worker in ("0", "1")]
    assert sum(by_worker) == 40
    assert min(by_worker) > 0
    assert samples["workers_silent",] == 0


def test_a_redis_that_is_away_and_calls_without_it_are_told(start_measured, redis):
    gateway = start_measured(REDIS_URL=redis.url, COUNTERS_TIMEOUT_SECONDS=10)
    port = gateway.management
    wait_for(lambda: scrape(port)["redis_up", "0"] == 1)
    assert gateway.ask(request(b"/echo/a", key=b"K2")).status == 200
    assert scrape(port)["limits_unverified_calls_total",] == 0
    redis.kill()
    wait_for(lambda: scrape(port)["redis_up", "0"] == 0)
    assert gateway.ask(request(b"/echo/a", key=b"K2")).status == 200
    assert scrape(port)["limits_unverified_calls_total",] == 1


def test_counts_survive_the_death_of_a_worker(measured, backend):
    client = measured.connect()
    for _ in range(5):
        client.ask(request(b"/echo/a"))
    assert scrape(measured.management)["calls_total", "echo", "GET /*", "1", "successful", "2xx"] == 5
    (worker,) = measured.workers
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: scrape(measured.management)["worker_restarts_total",] == 1 and measured.workers != [worker])
    assert measured.ask(request(b"/echo/a")).status == 200
    wait_for(lambda: scrape(measured.management)["calls_total", "echo", "GET /*", "1", "successful", "2xx"] == 6)


def test_what_the_gateway_holds_is_told(measured, backend):
    clients = [measured.connect() for _ in range(3)]
    for client in clients:
        client.ask(request(b"/echo/a", key=b"K2"))
    samples = scrape(measured.management)
    assert samples["caller_connections", "0"] == 3
    assert samples["caller_connections_refused_total", "0"] == 0
    host = f"127.0.0.1:{backend.port}"
    assert samples["backend_connections", host, "idle"] == 1
    assert samples["limit_counters", "rate", "0"] == 1
    assert samples["journal_waiting_bytes", "0"] == 0
    assert samples["journal_dropped_records_total", "0"] == 0
    assert samples["journal_parts",] == 1
    assert samples["journal_bytes",] == sum(
        part.stat().st_size for part in (measured.directory / "journal").glob("*.journal")
    )
    assert samples["journal_uningested_bytes",] == samples["journal_bytes",] - len(MAGIC)
    assert 0 < samples["journal_uningested_seconds",] < 600
    (part,) = parts(measured.directory / "journal")
    note_ingested(measured.directory / "journal", {part.file.name: part.file.stat().st_size})
    told = scrape(measured.management)
    assert (told["journal_uningested_bytes",], told["journal_uningested_seconds",]) == (0, 0)
    assert samples["snapshot_revision", "0"] == 1
    assert samples["snapshot_refused", "0"] == 0
    assert samples["snapshot_loaded_timestamp_seconds", "0"] > samples["process_start_time_seconds", "0"] - 1
    assert samples["process_cpu_seconds_total", "0"] > 0
    assert samples["process_resident_memory_bytes", "0"] > 10 * 2**20
    assert 5 < samples["process_open_fds", "0"] < samples["process_max_fds", "0"]


def test_a_busy_backend_connection_is_told_from_an_idle_one(measured, backend):
    backend.behave = lambda connection: (backend.take(connection), backend.arrived.release(), connection.read(1))
    measured.connect().send(request(b"/echo/a"))
    assert backend.arrived.acquire(timeout=TIMEOUT_SECONDS)
    assert scrape(measured.management)["backend_connections", f"127.0.0.1:{backend.port}", "busy"] == 1


def test_the_connection_of_a_websocket_is_busy(measured, backend):
    backend.behave = accept_and(echo)
    client = measured.connect()
    client.send(get())
    client.read_until(b"\r\n\r\n")
    assert scrape(measured.management)["backend_connections", f"127.0.0.1:{backend.port}", "busy"] == 1


def test_a_snapshot_that_is_no_good_is_told(measured):
    file = measured.directory / "gateway" / "snapshot.msgpack"
    file.with_suffix(".new").write_bytes(b"nonsense")
    file.with_suffix(".new").rename(file)
    wait_for(lambda: scrape(measured.management)["snapshot_refused", "0"] == 1)
    assert scrape(measured.management)["snapshot_revision", "0"] == 1


def test_a_call_that_was_sent_again_is_told(measured, backend):
    def answer_once(connection: BackendConnection) -> None:
        backend.take(connection)
        connection.send(OK)
        backend.take(connection)
        connection.close()

    backend.behave = answer_once
    client = measured.connect()
    assert client.ask(request(b"/echo/a")).status == 200
    assert client.ask(request(b"/echo/b")).status == 200
    assert scrape(measured.management)["retries_total", "echo"] == 1


def test_an_open_circuit_and_calls_that_wait_for_a_connection_are_told(start_measured, backend):
    url = f"http://127.0.0.1:{backend.port}"
    breaker = Breaker(failures=1, interval_seconds=60, trip_seconds=3600)
    rows = (Backend(1, "orders", url, breaker=breaker), Backend(2, "narrow", url, max_connections=1))
    configuration = echo_snapshot(url, narrow=url)
    apis = [replace(api, backend=number) for number, api in enumerate(configuration.apis, 1)]
    configuration = replace(configuration, apis=tuple(apis), backends=rows)
    gateway = start_measured(configuration, BACKEND_CONNECT_TIMEOUT_SECONDS=60)
    port = gateway.management
    client = gateway.connect()
    client.ask(request(b"/echo/a"))
    assert scrape(port)["circuits_open", "orders"] == 0
    backend.answer_with(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")
    assert client.ask(request(b"/echo/a")).status == 500
    assert client.ask(request(b"/echo/a")).status == 503
    assert scrape(port)["circuits_open", "orders"] == 1
    backend.behave = lambda connection: (backend.take(connection), connection.read(1))
    for _ in range(3):
        gateway.connect().send(request(b"/narrow/a"))
    wait_for(lambda: scrape(port)["backend_waiting_calls", "127.0.0.1"] == 2)


def test_connections_past_the_limit_are_told(start_measured):
    gateway = start_measured(MAX_CONNECTIONS=2)
    clients = [gateway.connect() for _ in range(3)]
    assert clients[2].read_response().status == 503
    assert scrape(gateway.management)["caller_connections_refused_total", "0"] == 1


def test_without_calls_there_are_no_series_of_calls(measured):
    assert not [key for key in scrape(measured.management) if key[0].startswith(("calls", "errors", "call_duration"))]
