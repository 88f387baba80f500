"""Cancel ends the call itself, not only the waiting for it."""

import threading
import uuid

import pytest
from django.core.cache import cache

from portal.console import allowance, cancellation
from portal.console.call import Call
from portal.console.forward import NoAnswer, Silence, forward

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"


@pytest.fixture(autouse=True)
def nothing_cancelled(service):
    cache.clear()


@pytest.fixture
def slow(gateway):
    """A gateway that begins with some bytes of an answer, and waits until the console hangs up."""
    gateway.reached, gateway.hung_up = threading.Event(), threading.Event()

    def choose(sent: bytes) -> None:
        def behave(connection) -> None:
            connection.sendall(sent)
            gateway.reached.set()
            if connection.recv(1) == b"":
                gateway.hung_up.set()

        gateway.behave = behave

    return choose


def call(gateway, call_id, ended: list) -> threading.Thread:
    def run() -> None:
        ended.append(
            forward(
                Call("GET", "/", (), None),
                gateway_url=gateway.url,
                public_url=gateway.url,
                caller_address="127.0.0.1",
                timeout_seconds=60,
                response_limit_bytes=1000,
                call_id=call_id,
            )
        )

    thread = threading.Thread(target=run)
    thread.start()
    assert gateway.reached.wait(60)
    return thread


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200", HEAD, HEAD + b"x"], ids=["nothing", "head", "body", "middle"])
def test_call_ends_and_the_gateway_hears_of_it(client, gateway, slow, sent):
    slow(sent)
    call_id, ended = uuid.uuid4(), []
    thread = call(gateway, call_id, ended)
    assert client.post("/console/cancel/", {"call": call_id.hex}).status_code == 204
    thread.join(60)
    assert isinstance(ended[0], NoAnswer)
    assert ended[0].why is Silence.CANCELLED
    assert gateway.hung_up.wait(60)


def test_call_of_another_web_process_ends(gateway, slow, monkeypatch):
    slow(b"")
    call_id, ended = uuid.uuid4(), []
    thread = call(gateway, call_id, ended)
    monkeypatch.setattr(cancellation, "_running", {})
    cancellation.cancel(call_id)
    thread.join(60)
    assert ended[0].why is Silence.CANCELLED


def test_call_that_was_cancelled_before_it_began_is_not_sent(send, execute, gateway):
    call_id = uuid.uuid4()
    cancellation.cancel(call_id)
    assert "Cancelled" in send(execute, {"call": call_id.hex}, htmx=True).text
    assert gateway.received == []


def test_cancelled_call_gives_its_place_back(send, execute, gateway, slow, client):
    slow(b"")
    call_id = uuid.uuid4()
    ender = threading.Thread(target=lambda: gateway.reached.wait(60) and cancellation.cancel(call_id))
    ender.start()
    assert "Cancelled" in send(execute, {"call": call_id.hex}, htmx=True).text
    ender.join()
    assert allowance._in_flight._calls.total() == 0


@pytest.mark.parametrize("text", ["", "x", "0" * 31, "é" * 32])
def test_what_is_no_id_cancels_nothing(client, text):
    assert client.post("/console/cancel/", {"call": text}).status_code == 204
    assert cache.get(cancellation._ENTRY) is None


def test_cancelled_calls_of_strangers_take_bounded_room(client):
    for _ in range(cancellation._KEPT_CALLS + 5):
        cancellation.cancel(uuid.uuid4())
    assert len(cache.get(cancellation._ENTRY)) == cancellation._KEPT_CALLS


def test_call_without_an_id_is_sent(send, execute, gateway):
    cancellation.cancel(uuid.uuid4())
    assert send(execute, {"call": "x"}).status_code == 200
    assert len(gateway.received) == 1
