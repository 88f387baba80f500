"""Replies of Redis, however they arrive, and what a URL says."""

import pytest

from gateway.limits.redis_connection import RedisAddress, RedisConnection, RedisError, address_of

STREAM = b"+OK\r\n$5\r\na\r\nbc\r\n-ERR no\r\n:7\r\n$0\r\n\r\n+PONG\r\n"
REPLIES = [b"OK", b"a\r\nbc", "ERR no", b"7", b"", b"PONG"]


class Transport:
    """Keeps what is written."""

    def __init__(self):
        self.written, self.is_aborted = b"", False

    def write(self, data):
        self.written += data

    def abort(self):
        self.is_aborted = True


@pytest.fixture
def lost():
    return []


@pytest.fixture
def connection(lost):
    connection = RedisConnection(lost.append)
    connection.connection_made(Transport())
    return connection


def asked(connection, count):
    replies = []
    for _ in range(count):
        connection.send(b"PING", reply=lambda one: replies.append(str(one) if isinstance(one, RedisError) else one))
    return replies


def test_a_command_is_an_array_of_bulk_strings(connection):
    connection.send(b"ECHO", b"a\r\n\0", reply=print)
    assert connection._transport.written == b"*2\r\n$4\r\nECHO\r\n$4\r\na\r\n\0\r\n"


@pytest.mark.parametrize("size", range(1, len(STREAM) + 1))
def test_replies_are_read_in_pieces_of_any_size(connection, lost, size):
    replies = asked(connection, len(REPLIES))
    for start in range(0, len(STREAM), size):
        connection.data_received(STREAM[start : start + size])
    assert (replies, lost) == (REPLIES, [])


@pytest.mark.parametrize(
    "nonsense", [b"*1\r\n", b"$-1\r\n", b"$x\r\n", b"$99999999999\r\n", b"HTTP/1.1 200\r\n", b"\r\n"]
)
def test_what_is_no_reply_ends_the_connection_and_all_that_was_asked_on_it(connection, lost, nonsense):
    replies = asked(connection, 3)
    connection.data_received(b"+OK\r\n" + nonsense + b"+OK\r\n")
    assert replies == [b"OK", *["what came is no reply that is known"] * 2]
    assert lost == ["what came is no reply that is known"]
    assert connection._transport.is_aborted


def test_a_reply_that_nothing_asked_for_ends_the_connection(connection, lost):
    replies = asked(connection, 1)
    connection.data_received(b"+OK\r\n+OK\r\n")
    assert (replies, lost) == ([b"OK"], ["a reply that nothing asked for"])


def test_a_connection_that_is_closed_on_purpose_tells_nobody_but_who_has_asked(connection, lost):
    replies = asked(connection, 1)
    connection.close()
    connection.connection_lost(None)
    assert (replies, lost) == (["the gateway closes the connection"], [])


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://", RedisAddress()),
        ("redis://h", RedisAddress("h")),
        ("redis://h:1/2", RedisAddress("h", 1, db=2)),
        ("redis://h?db=3", RedisAddress("h", db=3)),
        ("redis://me:p%40ss@h", RedisAddress("h", username="me", password="p@ss")),
        ("redis://:p@[::1]:7/1", RedisAddress("::1", 7, password="p", db=1)),
        ("rediss://h", RedisAddress("h", tls=True)),
        ("unix:///run/redis.sock?db=1", RedisAddress(path="/run/redis.sock", db=1)),
    ],
)
def test_a_url_says_where_redis_is(url, address):
    assert address_of(url) == address


@pytest.mark.parametrize("url", ["", "h:6379", "http://h", "redis://:secret@h:port", "redis://:secret@h:99999"])
def test_a_url_that_says_nothing_of_the_kind_is_refused_without_its_password(url):
    with pytest.raises(ValueError, match="give a URL such as") as refused:
        address_of(url)
    assert "secret" not in str(refused.value)


def test_an_address_is_written_without_its_password():
    address = address_of("redis://me:secret@h:1/2")
    assert str(address) == "h:1"
    assert "secret" not in repr(address)
