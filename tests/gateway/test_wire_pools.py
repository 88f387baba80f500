"""Pools, circuit breakers and retry rules: which backend gets a call, and which calls are sent again."""

import json
import select
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

import msgspec
import pytest

from gateway.configuration.snapshot import Backend as Row
from gateway.configuration.snapshot import Breaker, Member, Retry
from tests.gateway.conftest import free_port, wait_for, with_backends
from tests.gateway.raw import OK, Backend, BackendConnection, Closed

HEAD = b" HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: K1\r\n"
FAILING = b"HTTP/1.1 503 Service Unavailable\r\nSet-Cookie: of=503\r\nContent-Length: 4\r\n\r\nbusy"
STRICT = Breaker(failures=2, interval_seconds=3600, trip_seconds=0.5)
LONG = msgspec.structs.replace(STRICT, trip_seconds=3600)


def get(target: bytes) -> bytes:
    return b"GET " + target + HEAD + b"\r\n"


def send(method: bytes, target: bytes, body: bytes, *lines: bytes) -> bytes:
    framing = lines or (b"Content-Length: %d" % len(body),)
    return method + b" " + target + HEAD + b"".join(line + b"\r\n" for line in framing) + b"\r\n" + body


@pytest.fixture
def backends() -> Iterator[list[Backend]]:
    """Three that say their number."""
    three = [Backend() for _ in range(3)]
    for number, one in enumerate(three):
        one.answer_with(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)
    yield three
    for one in three:
        one.close()


def url_of(backend: Backend) -> str:
    return f"http://127.0.0.1:{backend.port}/{backend.port}"


def rows_of(backends: list[Backend], **fields: object) -> list[Row]:
    return [Row(number, f"b{number}", url_of(one), **fields) for number, one in enumerate(backends, 1)]


def refusing(number: int) -> Row:
    return Row(number, "refusing", f"http://127.0.0.1:{free_port()}")


@pytest.fixture
def answer_in_turn(backend: Backend) -> Callable[..., None]:
    """`answer_in_turn(a, b, None)`: one after another, on any connection; None closes without one. Then 200."""

    def set_up(*answers: bytes | None) -> None:
        left = list(answers)

        def behave(connection: BackendConnection) -> None:
            while True:
                backend.take(connection)
                answer = left.pop(0) if left else OK
                if answer is None:
                    connection.close()
                    return
                connection.send(answer)

        backend.behave = behave

    return set_up


# -- Pools ------------------------------------------------------------------------------------------


def test_members_share_the_calls_by_weight_and_each_has_its_own_host_and_path(start_with, backends):
    pool = Row(9, "pool", members=(Member(1, weight=3), Member(2), Member(3, priority=2)))
    gateway = start_with(*rows_of(backends), pool)
    client = gateway.connect()
    answers = Counter(client.ask(get(b"/pool/a?b=c")).body for _ in range(20))
    assert answers == {b"0": 15, b"1": 5}
    for one in backends[:2]:
        for request in one.requests:
            assert request.startswith(b"GET /%d/a?b=c HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % (one.port, one.port))
    assert backends[2].requests == []


def test_a_call_that_could_not_connect_goes_to_the_next_member_whatever_its_method(start_with, backend):
    pool = Row(9, "pool", members=(Member(1), Member(2, priority=2), Member(3, priority=3)))
    gateway = start_with(
        refusing(1), msgspec.structs.replace(refusing(2), name="r2"), Row(3, "b", url_of(backend)), pool
    )
    for number in range(6):
        body = b"x" * 200_000
        assert gateway.ask(send(b"POST", b"/pool/post-%d" % number, body)).status == 200
        assert gateway.record(b"/pool/post-%d" % number).error_reason == ""
    assert backend.bodies == [body] * 6
    assert len(backend.requests) == 6


def test_an_upload_whose_end_is_still_to_come_goes_to_the_next_member_too(start_with, backend):
    pool = Row(9, "pool", members=(Member(1), Member(2, priority=2)))
    gateway = start_with(refusing(1), Row(2, "b", url_of(backend)), pool)
    client = gateway.connect()
    client.send(send(b"POST", b"/pool/a", b"5\r\nabcde\r\n", b"Transfer-Encoding: chunked"))
    client.send(b"2\r\nfg\r\n0\r\n\r\n")
    assert client.read_response().status == 200
    assert backend.bodies == [b"abcdefg"]


def test_where_no_member_can_be_reached_it_is_one_502_and_one_record(start_with, backend):
    gateway = start_with(
        refusing(1), msgspec.structs.replace(refusing(2), name="r2"), Row(9, "pool", members=(Member(1), Member(2)))
    )
    for number in range(8):
        assert gateway.ask(get(b"/pool/none-%d" % number)).status == 502
        assert gateway.record(b"/pool/none-%d" % number).error_reason == "BackendConnectionFailure"


def test_a_sick_member_is_left_out_then_tried_by_one_call_and_used_again(start_with, backends):
    sick = backends[0]
    answer = sick.behave
    sick.behave = lambda connection: (sick.take(connection), connection.close())
    gateway = start_with(*rows_of(backends[:2]), Row(9, "pool", members=(Member(1), Member(2))))
    began = time.monotonic()
    statuses = Counter(gateway.ask(get(b"/pool/a")).status for _ in range(20))
    # One trial after a second, the next after two more, and so on.
    assert 3 <= statuses[502] == len(sick.requests) <= 3 + time.monotonic() - began
    assert statuses[200] == 20 - statuses[502]
    sick.behave = answer
    wait_for(lambda: gateway.ask(get(b"/pool/a")).body == b"0")
    client = gateway.connect()
    assert Counter(client.ask(get(b"/pool/a")).body for _ in range(10)) == {b"0": 5, b"1": 5}


# -- Circuit breakers -------------------------------------------------------------------------------


def test_an_open_circuit_answers_503_and_says_when_to_come_again(start_with, backend):
    backend.answer = FAILING
    gateway = start_with(Row(1, "own", url_of(backend), breaker=LONG))
    assert [gateway.ask(get(b"/own/a")).body for _ in range(2)] == [b"busy", b"busy"]
    answer = gateway.ask(send(b"POST", b"/own/open", b"x" * 10))
    assert answer.status == 503
    assert 3000 <= int(answer.header("Retry-After")) <= 3600
    assert json.loads(answer.body)["activityId"].encode() == answer.header("X-Request-Id")
    assert answer.header("Set-Cookie") is None
    record = gateway.record(b"/own/open")
    assert (record.error_source, record.error_reason, record.backend_code) == (
        "forward-request",
        "BackendCircuitOpen",
        None,
    )
    assert len(backend.requests) == 2


def test_a_circuit_closes_after_a_trial_that_went_well(start_with, backend):
    backend.answer = FAILING
    gateway = start_with(Row(1, "own", url_of(backend), breaker=STRICT))
    for _ in range(2):
        gateway.ask(get(b"/own/a"))
    # On a slow machine the next call may be a trial, which opens it again.
    wait_for(lambda: gateway.ask(get(b"/own/a")).header("Retry-After") == b"1")
    backend.answer = OK
    wait_for(lambda: gateway.ask(get(b"/own/a")).status == 200)
    assert [gateway.ask(get(b"/own/a")).status for _ in range(5)] == [200] * 5


def test_one_trial_at_a_time(start_with, backend):
    backend.answer = FAILING
    gateway = start_with(Row(1, "own", url_of(backend), breaker=STRICT))
    for _ in range(2):
        gateway.ask(get(b"/own/a"))
    backend.behave = lambda connection: (backend.take(connection), connection.read_to_end())
    backend.hang_up()
    trials = []

    def one_begins() -> bool:
        trials.append(gateway.connect())
        trials[-1].send(get(b"/own/trial"))
        wait_for(lambda: backend.requests[2:] or select.select([trials[-1].socket], [], [], 0)[0])
        return bool(backend.requests[2:])

    wait_for(one_begins)
    assert [gateway.ask(get(b"/own/a")).status for _ in range(3)] == [503] * 3
    assert len(backend.requests) == 3
    trials[-1].reset()
    backend.behave = backend.answer_each
    backend.answer = OK
    wait_for(lambda: gateway.ask(get(b"/own/a")).status == 200)


@pytest.mark.parametrize(
    ("rule", "answer", "opens"),
    [
        pytest.param({}, FAILING, True, id="a status of the rule"),
        pytest.param({"statuses": ((429, 429), (500, 502))}, FAILING, False, id="another status"),
        pytest.param({"statuses": ((429, 429), (500, 599))}, FAILING, True, id="a status of the second range"),
        pytest.param({}, None, True, id="no answer"),
        pytest.param({"counts_errors": False}, None, False, id="no answer, which does not count"),
        pytest.param({}, b"nonsense\r\n\r\n", True, id="nonsense"),
        pytest.param({}, OK, False, id="a good answer"),
    ],
)
def test_what_counts_as_a_failure(rule, answer, opens, start_with, backend, answer_in_turn):
    answer_in_turn(answer, answer)
    breaker = msgspec.structs.replace(LONG, **rule)
    gateway = start_with(Row(1, "own", url_of(backend), breaker=breaker))
    for _ in range(2):
        gateway.ask(get(b"/own/a"))
    assert (gateway.ask(get(b"/own/a")).status == 503) is opens


def test_a_failing_status_whose_body_breaks_off_is_one_failure(start_with, backend):
    backend.behave = lambda connection: (backend.take(connection), connection.send(FAILING[:-1]), connection.close())
    gateway = start_with(Row(1, "own", url_of(backend), breaker=LONG))
    for _ in range(2):
        with suppress(Closed):
            gateway.ask(get(b"/own/a"))
    wait_for(lambda: len(backend.requests) == 2)
    assert gateway.ask(get(b"/own/a")).status == 503
    assert len(backend.requests) == 2


def test_a_time_out_counts_as_a_failure(start_with, backend):
    backend.behave = lambda connection: (backend.take(connection), connection.read_to_end())
    gateway = start_with(Row(1, "own", url_of(backend), breaker=LONG, read_seconds=0.2))
    assert [gateway.ask(get(b"/own/a")).status for _ in range(3)] == [504, 504, 503]


@pytest.mark.parametrize("accepts", [True, False])
def test_the_backends_retry_after_sets_the_time_where_the_rule_accepts_it(accepts, start_with, backend):
    backend.answer = FAILING.replace(b"Set-Cookie: of=503", b"Retry-After: 99999")
    breaker = msgspec.structs.replace(STRICT, failures=1, accept_retry_after=accepts, trip_seconds=600)
    gateway = start_with(Row(1, "own", url_of(backend), breaker=breaker))
    assert gateway.ask(get(b"/own/a")).header("Retry-After") == b"99999"
    seconds = int(gateway.ask(get(b"/own/a")).header("Retry-After"))
    assert (600 < seconds <= 3600) if accepts else (0 < seconds <= 600)


def test_a_circuit_outlives_a_new_configuration_that_leaves_its_rule(start_with, backend):
    backend.answer = FAILING
    row = Row(1, "own", url_of(backend), breaker=LONG)
    gateway = start_with(row)
    for _ in range(2):
        gateway.ask(get(b"/own/a"))
    gateway.reconfigure(msgspec.structs.replace(with_backends(row), gateway_url="http://new.test"))
    assert gateway.ask(get(b"/own/a")).body != b"busy"
    other_rule = msgspec.structs.replace(row, breaker=msgspec.structs.replace(LONG, trip_seconds=3599))
    gateway.reconfigure(with_backends(other_rule))
    assert gateway.ask(get(b"/own/a")).body == b"busy"


def test_members_whose_circuit_is_open_are_passed_over_and_all_open_is_a_503(start_with, backends):
    for one in backends[:2]:
        one.answer = FAILING
    breaker = msgspec.structs.replace(LONG, failures=1)
    gateway = start_with(*rows_of(backends, breaker=breaker), Row(9, "pool", members=(Member(1), Member(2), Member(3))))
    answers = [gateway.ask(get(b"/pool/a")) for _ in range(6)]
    assert sorted(answer.body for answer in answers) == [b"2"] * 4 + [b"busy"] * 2
    backends[2].answer = FAILING
    assert gateway.ask(get(b"/pool/a")).body == b"busy"
    assert gateway.ask(get(b"/pool/a")).header("Retry-After") is not None
    assert sum(len(one.requests) for one in backends) == 7


# -- Retries ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [b"GET", b"PUT", b"DELETE"])
@pytest.mark.parametrize(
    "failures",
    [
        pytest.param((FAILING, FAILING), id="a status"),
        pytest.param((None, None), id="no answer"),
        pytest.param((FAILING, None), id="both"),
        pytest.param((b"nonsense\r\n\r\n", FAILING), id="nonsense"),
        pytest.param((FAILING.replace(b"Content-Length: 4\r\n", b""), FAILING), id="a body until the end"),
        pytest.param((FAILING.replace(b"4\r\n\r\nbusy", b"1000000\r\n\r\nbu"), FAILING), id="a body still to come"),
    ],
)
def test_an_idempotent_call_is_sent_again_and_nothing_of_the_failures_shows(
    method, failures, start_with, backend, answer_in_turn
):
    answer_in_turn(*failures)
    gateway = start_with(Row(1, "own", url_of(backend), retry=Retry(2)))
    client, body = gateway.connect(), b"x" * 50_000
    target = b"/own/%d-%b-%d" % (gateway.revision, method, len(body))
    answer = client.ask(send(method, target, body))
    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.all("Set-Cookie") == []
    assert backend.bodies == [body] * 3
    assert client.ask(get(b"/own/b")).body == b"ok"
    record = gateway.record(target)
    assert (record.response_code, record.backend_code, record.error_reason) == (200, 200, "")
    assert record.response_bytes == len(answer.head) + 2


def test_a_chunked_body_is_sent_again_whole(start_with, backend, answer_in_turn):
    answer_in_turn(FAILING)
    gateway = start_with(Row(1, "own", url_of(backend), retry=Retry(1)))
    client = gateway.connect()
    client.send(send(b"PUT", b"/own/a", b"3\r\nabc\r\n", b"Transfer-Encoding: chunked"))
    wait_for(lambda: backend.connections)
    client.send(b"2\r\nde\r\n0\r\n\r\n")
    assert client.read_response().body == b"ok"
    assert backend.bodies == [b"abcde", b"abcde"]


@pytest.mark.parametrize(
    ("request_", "rule"),
    [
        pytest.param(send(b"POST", b"/own/a", b"ab"), {}, id="POST"),
        pytest.param(send(b"PATCH", b"/own/a", b"ab"), {}, id="PATCH"),
        pytest.param(send(b"PURGE", b"/own/a", b""), {}, id="a method of one's own"),
        pytest.param(send(b"PUT", b"/own/a", b"x" * 70_000), {}, id="a large body"),
        pytest.param(get(b"/own/a"), {"statuses": (500, 502)}, id="another status"),
        pytest.param(get(b"/own/a"), {"count": 0}, id="no retries"),
        pytest.param(get(b"/own/a"), {"interval_seconds": 60.0}, id="no time left"),
    ],
)
def test_other_calls_are_sent_once_and_the_backends_answer_is_passed_on(request_, rule, start_with, backend):
    backend.answer = FAILING
    gateway = start_with(Row(1, "own", url_of(backend), retry=Retry(**{"count": 3} | rule)))
    answer = gateway.ask(request_)
    assert (answer.status, answer.body, answer.all("Set-Cookie")) == (503, b"busy", [b"of=503"])
    assert len(backend.requests) == 1


def test_after_the_last_retry_the_backends_answer_is_passed_on(start_with, backend):
    backend.answer = FAILING
    gateway = start_with(Row(1, "own", url_of(backend), retry=Retry(2, interval_seconds=0.1)))
    answer = gateway.ask(get(b"/own/retried-in-vain"))
    assert (answer.body, answer.all("Set-Cookie")) == (b"busy", [b"of=503"])
    assert len(backend.requests) == 3
    assert gateway.record(b"/own/retried-in-vain").backend_code == 503


def test_all_attempts_together_end_with_the_time_out(start_with, backend):
    backend.answer = FAILING
    gateway = start_with(Row(1, "own", url_of(backend), retry=Retry(1000, interval_seconds=0.1), read_seconds=2))
    # Or 504, where the time ends while the last attempt has not been answered yet.
    assert gateway.ask(get(b"/own/for-long")).status in (503, 504)
    assert 2 <= len(backend.requests) <= 21
    assert gateway.record(b"/own/for-long").total_seconds < 60


def test_an_answer_that_breaks_off_in_its_body_is_not_asked_for_again(start_with, backend):
    def behave(connection: BackendConnection) -> None:
        backend.take(connection)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
        connection.close()

    backend.behave = behave
    gateway = start_with(Row(1, "own", url_of(backend), retry=Retry(3)))
    client = gateway.connect()
    client.send(get(b"/own/a"))
    assert client.read_to_end().endswith(b"\r\n\r\nab")
    assert len(backend.requests) == 1


def test_an_early_answer_to_an_upload_is_passed_on(start_with, backend):
    def behave(connection: BackendConnection) -> None:
        connection.read_until(b"\r\n\r\n")
        connection.send(FAILING)

    backend.behave = behave
    gateway = start_with(Row(1, "own", url_of(backend), retry=Retry(3)))
    client = gateway.connect()
    client.send(send(b"PUT", b"/own/a", b"x" * 10, b"Content-Length: 1000"))
    assert client.read_response().body == b"busy"
    assert len(backend.connections) == 1


def test_a_caller_that_leaves_between_attempts_ends_the_call(start_with, backend):
    backend.answer = FAILING
    gateway = start_with(Row(1, "own", url_of(backend), retry=Retry(9, interval_seconds=30)))
    client = gateway.connect()
    client.send(get(b"/own/leaves"))
    wait_for(lambda: backend.requests)
    client.reset()
    assert gateway.record(b"/own/leaves").error_reason == "ClientConnectionFailure"
    assert gateway.ask(send(b"POST", b"/own/b", b"")).status == 503
    assert [request.split(b" ")[0] for request in backend.requests] == [b"GET", b"POST"]


def test_in_a_pool_a_retry_goes_to_another_member(start_with, backends):
    backends[0].answer = backends[1].answer = FAILING
    pool = Row(9, "pool", members=(Member(1), Member(2), Member(3, priority=2)), retry=Retry(2))
    gateway = start_with(*rows_of(backends), pool)
    assert [gateway.ask(get(b"/pool/a")).body for _ in range(4)] == [b"2"] * 4
    assert [len(one.requests) for one in backends] == [4, 4, 4]


def test_a_refusing_backend_is_tried_again_also_for_a_post(start_with, backend, tmp_path):
    port = free_port()
    gateway = start_with(Row(1, "own", f"http://127.0.0.1:{port}", retry=Retry(1000, interval_seconds=0.05)))
    client = gateway.connect()
    client.send(send(b"POST", b"/own/a", b"ab"))
    late = Backend(port=port)
    assert client.read_response().body == b"ok"
    assert late.bodies == [b"ab"]
    late.close()


def test_a_retry_counts_once_towards_a_quota(start_with, backend, answer_in_turn):
    answer_in_turn(FAILING, None, FAILING)
    gateway = start_with(Row(1, "own", url_of(backend), retry=Retry(3)))
    request = get(b"/own/counted").replace(b": K1", b": K3")
    assert [gateway.ask(request).status for _ in range(3)] == [200, 200, 403]
    assert len(backend.requests) == 5
    wait_for(lambda: sum(record.url == b"/own/counted" for record in gateway.records()) == 3)


def test_a_retry_stops_where_the_circuit_opens(start_with, backend):
    backend.answer = FAILING
    gateway = start_with(Row(1, "own", url_of(backend), retry=Retry(9), breaker=STRICT))
    assert gateway.ask(get(b"/own/a")).body == b"busy"
    assert len(backend.requests) == 2


def test_a_kept_connection_that_was_closed_is_replaced_without_using_up_a_retry(start_with, backend):
    gateway = start_with(Row(1, "own", url_of(backend), retry=Retry(1)))
    client = gateway.connect()
    answered = []

    def behave(connection: BackendConnection) -> None:
        backend.take(connection)
        if not answered:
            answered.append(connection)
            connection.send(OK)
            backend.take(connection)
            connection.close()
        elif len(answered) == 1:
            answered.append(connection)
            connection.send(FAILING)
            connection.close()
        else:
            connection.send(OK)
            connection.read_to_end()

    backend.behave = behave
    body = b"y" * 1000
    assert client.ask(send(b"PUT", b"/own/a", body)).body == b"ok"
    assert client.ask(send(b"PUT", b"/own/a", body)).body == b"ok"
    assert backend.bodies == [body] * 4
