"""Backends by name: addresses that do not answer, names that lead elsewhere, and names without an answer."""

import json
import threading

import pytest

from tests.gateway.conftest import Gateway, echo_snapshot, wait_for
from tests.gateway.raw import OK, TIMEOUT_SECONDS, Backend

HEAD = b" HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: K1\r\n\r\n"
GET = b"GET /echo/a" + HEAD
POST = b"POST /echo/a" + HEAD


class Names:
    """What the name server says to a gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._file = gateway.directory / "names"
        self._said: dict[str, list[str] | str] = {}

    def say(self, **said: list[str] | str) -> None:
        """`say(a=["127.0.0.1"])`: of `a.test`. See `with_names`."""
        self._said.update({f"{name}.test": addresses for name, addresses in said.items()})
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps(self._said))
        fresh.replace(self._file)


@pytest.fixture
def elsewhere(backend):
    """Where the backend may move to: 127.0.0.2."""
    other = Backend(host="127.0.0.2", port=backend.port)
    other.answer_with(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother")
    yield other
    other.close()


@pytest.fixture
def named(start_gateway, backend):
    """A gateway whose backend is `a.test`, at 127.0.0.1 until `names` say otherwise."""
    gateway = start_gateway(echo_snapshot(f"http://a.test:{backend.port}"), program="tests.gateway.with_names")
    names = Names(gateway)
    names.say(a=["127.0.0.1"])
    yield gateway, names
    gateway.kill()


def test_a_backend_that_moves_is_followed_although_its_old_address_still_answers(named, elsewhere):
    gateway, names = named
    client = gateway.connect()
    assert client.ask(GET).body == b"ok"
    names.say(a=["127.0.0.2"])
    wait_for(lambda: client.ask(GET).body == b"other")
    assert [client.ask(GET).body for _ in range(5)] == [b"other"] * 5


def test_a_call_that_is_under_way_while_its_backend_moves_is_answered(named, elsewhere, backend):
    gateway, names = named
    may_go_on, ended = threading.Event(), []

    def behave(connection) -> None:
        try:
            while True:
                connection.read_request()
                may_go_on.wait(TIMEOUT_SECONDS)
                connection.send(OK)
        finally:
            ended.append(connection)

    backend.behave = behave
    client = gateway.connect()
    client.send(GET)
    wait_for(lambda: backend.connections)
    names.say(a=["127.0.0.2"])
    may_go_on.set()
    assert client.read_response().body == b"ok"
    wait_for(lambda: gateway.ask(GET).body == b"other")
    wait_for(lambda: len(ended) == len(backend.connections))


@pytest.mark.parametrize("trouble", ["down", "gone"])
def test_connections_are_kept_while_the_name_server_is_in_trouble(trouble, named, backend):
    gateway, names = named
    client = gateway.connect()
    assert client.ask(GET).body == b"ok"
    names.say(a=trouble)
    for _ in range(15):
        threading.Event().wait(0.1)
        assert client.ask(GET).body == b"ok"
    assert len(backend.connections) == 1


@pytest.mark.parametrize(
    "others",
    [
        pytest.param(["127.0.0.3"], id="refuses"),
        # RFC 5737, RFC 3849: nobody's.
        pytest.param(["192.0.2.1"], id="does not answer"),
        pytest.param(["2001:db8::1"], id="IPv6 that does not answer"),
        pytest.param(["127.0.0.3", "192.0.2.1", "::1"], id="several"),
    ],
)
def test_an_address_that_does_not_accept_does_not_keep_a_call_from_the_others(others, named):
    """Happy eyeballs (RFC 8305): where packets vanish, the next address is tried meanwhile."""
    gateway, names = named
    names.say(a=[*others, "127.0.0.1"])
    assert gateway.ask(GET).body == b"ok"
    assert gateway.ask(POST).body == b"ok"


def test_a_backend_may_have_an_ipv6_address(start_gateway):
    try:
        backend = Backend(host="::1")
    except OSError:
        pytest.skip("there is no IPv6 here")
    gateway = start_gateway(echo_snapshot(f"http://[::1]:{backend.port}/base"))
    assert gateway.ask(GET).body == b"ok"
    assert backend.requests[0].startswith(b"GET /base/a HTTP/1.1\r\nHost: [::1]:%d\r\n" % backend.port)
    gateway.kill()
    backend.close()


def test_calls_to_a_name_without_an_answer_do_not_stop_the_others(start_gateway, backend):
    urls = {f"dead{number}": f"http://dead{number}.test/" for number in range(8)}
    snapshot = echo_snapshot(f"http://localhost:{backend.port}", literal=f"http://127.0.0.1:{backend.port}", **urls)
    gateway = start_gateway(snapshot, program="tests.gateway.with_names")
    Names(gateway).say(**dict.fromkeys(urls, "silent"))
    stuck = [gateway.connect() for _ in range(40)]
    for number, client in enumerate(stuck):
        client.send(b"GET /dead%d/a" % (number % 8) + HEAD)
    backend.answer_with(OK, then_close=True)
    for api in (b"echo", b"literal"):
        assert [gateway.ask(b"GET /" + api + b"/a" + HEAD).status for _ in range(3)] == [200] * 3
    for client in stuck:
        client.reset()
    wait_for(lambda: len([record for record in gateway.records() if record.url.startswith(b"/dead")]) == 40)
    assert gateway.stop() == 0
    gateway.hang_up()
