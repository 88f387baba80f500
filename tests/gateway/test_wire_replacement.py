"""Workers are replaced, and die, while callers go on calling."""

import os
import signal
import threading
from collections.abc import Callable

from tests.gateway.conftest import Gateway, echo_snapshot, wait_for
from tests.gateway.raw import OK, TIMEOUT_SECONDS, BackendConnection, Client, Closed

REQUEST = b"GET /echo/a HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: K1\r\n\r\n"
SLOW = REQUEST.replace(b"/a", b"/slow")
LIMITED = REQUEST.replace(b"K1", b"K2")
REDIS_URL = "redis://127.0.0.1:6379/9"
# So that a call that is under way lasts for as long as it takes to replace workers.
PATIENT = {"program": "tests.gateway.with_patience", "DRAIN_SECONDS": 600, "BACKEND_TIMEOUT_SECONDS": 240}


class Crowd:
    """Callers that call without pause: some on kept-alive connections, some on a new one for each call."""

    def __init__(self, gateway: Gateway, keeping: int = 6, changing: int = 3) -> None:
        self.answered = 0
        self.failures: list[str] = []
        self._gateway = gateway
        self._is_over = threading.Event()
        self._counting = threading.Lock()
        behaviours = [self._keep] * keeping + [self._change] * changing
        self._threads = [threading.Thread(target=self._run, args=(behaviour,)) for behaviour in behaviours]

    def __enter__(self) -> "Crowd":
        for thread in self._threads:
            thread.start()
        self.go_on()
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def go_on(self, calls: int = 300) -> None:
        """Wait until so many more are answered."""
        goal = self.answered + calls
        wait_for(lambda: self.answered >= goal)

    def _run(self, behaviour: Callable[[], None]) -> None:
        while not self._is_over.is_set():
            try:
                behaviour()
            except (Closed, OSError) as error:
                self.failures.append(repr(error))

    def _keep(self) -> None:
        """Until the gateway says that the connection ends."""
        client = Client(self._gateway.port)
        try:
            while not self._is_over.is_set() and self._call(client):
                pass
        finally:
            client.close()

    def _change(self) -> None:
        client = Client(self._gateway.port)
        try:
            self._call(client)
        finally:
            client.close()

    def _call(self, client: Client) -> bool:
        answer = client.ask(REQUEST)
        with self._counting:
            self.answered += 1
        if answer.status != 200:
            self.failures.append(repr(answer))
        return answer.header("Connection") != b"close"


def reload(gateway: Gateway) -> None:
    before = gateway.log.read_text().count("workers replaced")
    gateway.process.send_signal(signal.SIGHUP)
    # Each worker's successor has to start, on a machine that the crowd keeps busy.
    wait_for(lambda: gateway.log.read_text().count("workers replaced") > before, seconds=2 * TIMEOUT_SECONDS)


def test_workers_are_replaced_without_a_call_that_fails(start_gateway, backend):
    gateway = start_gateway(**PATIENT)
    release = threading.Event()

    def answer(connection: BackendConnection) -> None:
        while True:
            backend.take(connection)
            if b"/slow" in backend.requests[-1]:
                release.wait(10 * TIMEOUT_SECONDS)
            connection.send(OK)

    backend.behave = answer
    slow = gateway.connect()
    slow.send(SLOW)
    wait_for(lambda: any(b"/slow" in request for request in backend.requests))
    workers = [gateway.workers]
    with Crowd(gateway) as crowd:
        for _ in range(3):
            reload(gateway)
            workers.append(gateway.workers)
            crowd.go_on()
        release.set()
        assert slow.read_response().status == 200
    assert crowd.failures == []
    assert workers[-1][-1] not in workers[0]
    assert len(gateway.records()) == crowd.answered + 1
    wait_for(lambda: len(gateway.workers) == 1)
    gateway.hang_up()


def test_a_connection_may_be_used_again_although_its_answer_began_before_the_replacement(start_gateway, backend):
    gateway = start_gateway(**PATIENT)
    go_on = threading.Event()

    def answer(connection: BackendConnection) -> None:
        backend.take(connection)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
        go_on.wait(3 * TIMEOUT_SECONDS)
        connection.send(b"lf")
        backend.answer_each(connection)

    backend.behave = answer
    client = gateway.connect()
    client.send(REQUEST)
    head = client.read_until(b"\r\n\r\n")
    assert b"Connection: close" not in head
    reload(gateway)
    go_on.set()
    assert client.read(4) == b"half"
    answers = [client.ask(REQUEST)]
    while answers[-1].header("Connection") != b"close":
        answers.append(client.ask(REQUEST))
    assert {answer.status for answer in answers} == {200}
    assert client.is_closed()
    gateway.hang_up()


def test_an_idle_connection_is_closed_when_the_worker_is_replaced(start_gateway, backend):
    gateway = start_gateway()
    idle, silent = gateway.connect(), gateway.connect()
    assert idle.ask(REQUEST).status == 200
    reload(gateway)
    assert idle.is_closed()
    assert silent.is_closed()
    gateway.hang_up()


def test_a_replacement_gives_nobody_more_calls(start_gateway, backend):
    gateway = start_gateway()
    statuses = []
    for _ in range(3):
        statuses.append(gateway.ask(LIMITED).status)
        reload(gateway)
    assert statuses == [200, 200, 429]
    gateway.hang_up()


def test_calls_that_are_under_way_at_the_replacement_are_counted(start_gateway, backend):
    gateway = start_gateway(**PATIENT)
    release = threading.Event()

    def answer_late(connection: BackendConnection) -> None:
        backend.take(connection)
        release.wait(3 * TIMEOUT_SECONDS)
        connection.send(OK)

    backend.behave = answer_late
    under_way = [gateway.connect() for _ in range(2)]
    for client in under_way:
        client.send(LIMITED)
    wait_for(lambda: len(backend.requests) == 2)
    reload(gateway)
    assert gateway.ask(LIMITED).status == 429
    os.kill(gateway.workers[-1], signal.SIGKILL)
    release.set()
    assert [client.read_response().status for client in under_way] == [200, 200]
    assert gateway.ask(LIMITED).status == 429
    gateway.hang_up()


def test_new_configuration_fails_no_call(start_gateway, backend):
    gateway = start_gateway()
    with Crowd(gateway) as crowd:
        for number in range(3):
            gateway.configure(echo_snapshot(f"http://127.0.0.1:{backend.port}/{number}"))
            wait_for(lambda: b"/%d/a" % number in backend.requests[-1])  # noqa: B023
            crowd.go_on(50)
    assert crowd.failures == []
    gateway.hang_up()


def test_what_waits_for_a_worker_that_dies_is_served_by_the_next(start_gateway, backend):
    gateway = start_gateway()
    (worker,) = gateway.workers
    os.kill(worker, signal.SIGSTOP)
    clients = [gateway.connect() for _ in range(20)]
    for client in clients:
        client.send(REQUEST)
    os.kill(worker, signal.SIGKILL)
    assert {client.read_response().status for client in clients} == {200}
    gateway.hang_up()


def test_when_a_worker_dies_the_others_lose_nothing(start_gateway, backend):
    gateway = start_gateway(**PATIENT, GATEWAY_WORKERS=2, REDIS_URL=REDIS_URL)
    with Crowd(gateway, keeping=8, changing=4) as crowd:
        for _ in range(2):
            wait_for(lambda: len(gateway.workers) == 2)
            before = gateway.workers
            os.kill(before[0], signal.SIGKILL)
            wait_for(lambda: before[0] not in gateway.workers)  # noqa: B023
            crowd.go_on()
        # Each death cuts at most one call of each caller.
        assert len(crowd.failures) <= 2 * 12
        crowd.failures.clear()
        reload(gateway)
        crowd.go_on()
    assert crowd.failures == []
    gateway.hang_up()


def test_a_worker_that_dies_again_and_again_is_started_again_and_again(start_gateway, backend):
    gateway = start_gateway(program="tests.gateway.with_broken_workers")
    (gateway.directory / "broken").touch()
    os.kill(gateway.workers[0], signal.SIGKILL)
    client = gateway.connect()
    client.send(REQUEST)
    wait_for(lambda: gateway.log.read_text().count("ended with exit code 3") >= 2)
    (gateway.directory / "broken").unlink()
    assert client.read_response().status == 200
    gateway.hang_up()


def test_where_no_worker_can_start_callers_are_answered_and_the_gateway_stops_all_the_same(start_gateway, backend):
    gateway = start_gateway(program="tests.gateway.with_broken_workers")
    (gateway.directory / "broken").touch()
    os.kill(gateway.workers[0], signal.SIGKILL)
    answer = gateway.ask(REQUEST)
    assert (answer.status, answer.header("Retry-After"), answer.header("Connection")) == (503, b"5", b"close")
    (gateway.directory / "broken").unlink()
    wait_for(lambda: gateway.ask(REQUEST).status == 200)
    (gateway.directory / "broken").touch()
    os.kill(gateway.workers[0], signal.SIGKILL)
    wait_for(lambda: gateway.log.read_text().count("ended with exit code 3") >= 2)
    gateway.process.terminate()
    assert gateway.process.wait(TIMEOUT_SECONDS) == 0
    assert "Traceback" not in gateway.log.read_text()


def test_where_the_next_worker_cannot_start_the_old_one_serves_on(start_gateway, backend):
    gateway = start_gateway(program="tests.gateway.with_broken_workers")
    (gateway.directory / "broken").touch()
    workers = gateway.workers
    with Crowd(gateway) as crowd:
        reload(gateway)
        crowd.go_on()
    assert crowd.failures == []
    assert "worker 0 is not replaced: worker 0 ended with exit code 3" in gateway.log.read_text()
    assert gateway.workers == workers
    gateway.hang_up()


def test_a_worker_that_is_stuck_is_replaced_too(start_gateway, backend):
    gateway = start_gateway(program="tests.gateway.with_broken_workers")
    os.kill(gateway.workers[0], signal.SIGSTOP)
    reload(gateway)
    assert gateway.ask(REQUEST).status == 200
    assert "did not hand over and is killed" in gateway.log.read_text()
    gateway.hang_up()


def test_workers_end_with_their_master(start_gateway, backend):
    gateway = start_gateway()
    (worker,) = gateway.workers
    client = gateway.connect()
    assert client.ask(REQUEST).status == 200
    gateway.process.kill()
    assert client.is_closed()
    wait_for(lambda: not os.path.exists(f"/proc/{worker}"))
    gateway.hang_up()


def test_signals_to_the_whole_group_let_calls_finish(start_gateway, backend):
    gateway = start_gateway()

    def answer_late(connection: BackendConnection) -> None:
        backend.take(connection)
        os.killpg(gateway.process.pid, signal.SIGTERM)
        gateway.wait_for_log("stopping")
        connection.send(OK)

    backend.behave = answer_late
    assert gateway.ask(REQUEST).status == 200
    assert gateway.process.wait(TIMEOUT_SECONDS) == 0
    assert "ended: pid" not in gateway.log.read_text()
    gateway.hang_up()
