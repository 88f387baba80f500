"""Several gateways that count in one Redis, and one that loses it."""

import contextlib
import os
import re
import socket
from urllib.parse import quote

import pytest
import trustme

from gateway.configuration import key_digest
from gateway.configuration.snapshot import (
    API,
    InnerQuota,
    InnerRateLimit,
    Operation,
    Product,
    Quota,
    RateLimit,
    Snapshot,
)
from gateway.configuration.snapshot import Subscription as Key
from tests.gateway.cable import Cable
from tests.gateway.conftest import Gateway, free_port, wait_for
from tests.gateway.raw import TIMEOUT_SECONDS, Backend, Client
from tests.gateway.redis_server import RedisServer

LIMIT = 100
# Longer than a Redis that is there takes to answer, even on a machine that is busy with other things.
PATIENCE_SECONDS = 10
PRODUCTS = (
    Product(1, (1,), RateLimit(LIMIT, 300), Quota(10_000, 3600)),
    Product(2, (1,), RateLimit(100_000, 300), Quota(LIMIT, 3600)),
    Product(
        3,
        (1,),
        RateLimit(9, 300, inner=(InnerRateLimit(1, 11, 2, 300),)),
        Quota(None, 3600, kilobytes=1, inner=(InnerQuota(1, 12, 3, 0),)),
    ),
)


def limited(port: int, host: str = "127.0.0.1") -> Snapshot:
    secret = key_digest.digest_secret(os.environ["KEY_ENCRYPTION_KEY"])
    operations = (Operation(11, "GET", "/a"), Operation(12, "GET", "/b"), Operation(13, "POST", "/*"))
    service = f"http://{host}:{port}"
    api = API(1, "one", service, ("http",), True, "Ocp-Apim-Subscription-Key", "subscription-key", None, operations)
    keys = tuple(
        Key(
            bytes([product.id]) * 16, 7, product.id, None, True, None, (key_digest.digest(secret, b"K%d" % product.id),)
        )
        for product in PRODUCTS
    )
    return Snapshot(1, "test", "", (api,), PRODUCTS, keys)


def request(key: int = 1, target: str = "/one/a") -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: K{key}\r\n\r\n".encode()


@pytest.fixture
def redis(tmp_path):
    server = RedisServer(tmp_path)
    yield server
    server.close()


@pytest.fixture
def forgetful_redis(tmp_path):
    server = RedisServer(tmp_path, keeps=False)
    yield server
    server.close()


@pytest.fixture
def start(start_gateway, backend):
    """`start(redis)`; where Redis is not going to answer, a call does not wait for it for so long."""
    started: list[Gateway] = []

    def start_one(redis, *, redis_answers: bool = True, **settings):
        settings = {"COUNTERS_TIMEOUT_SECONDS": PATIENCE_SECONDS if redis_answers else 1.5} | settings
        started.append(start_gateway(limited(backend.port), REDIS_URL=redis.url, **settings))
        return started[-1].wait_for_log("shared counters available")

    yield start_one
    # Otherwise they would look for their Redis until the last test of this module.
    for gateway in started:
        gateway.kill()


def statuses(gateways, calls: int, key: int = 1) -> list[int]:
    """Of so many calls at once: all connections are open before the first call is made."""
    clients = [gateways[number % len(gateways)].connect() for number in range(calls)]
    for client in clients:
        client.send(request(key))
    found = [client.read_response().status for client in clients]
    for gateway in gateways:
        gateway.hang_up()
    return found


@pytest.mark.parametrize(("key", "refusal"), [(1, 429), (2, 403)], ids=["rate", "quota"])
@pytest.mark.parametrize("count", [1, 3])
def test_just_as_many_of_1000_calls_at_once_pass_as_the_limit_says(start, redis, count, key, refusal):
    found = statuses([start(redis) for _ in range(count)], 1000, key)
    assert (found.count(200), found.count(refusal)) == (LIMIT, 1000 - LIMIT)
    assert (redis.counted("rate"), redis.counted("quota")) == (LIMIT, LIMIT)


def test_the_workers_of_a_gateway_count_together(start, redis):
    found = statuses([start(redis, GATEWAY_WORKERS=4)], 1000)
    assert (found.count(200), found.count(429)) == (LIMIT, 1000 - LIMIT)
    assert (redis.counted("rate"), redis.counted("quota")) == (LIMIT, LIMIT)


@pytest.mark.parametrize(("key", "refusal"), [(1, 429), (2, 403)], ids=["rate", "quota"])
def test_without_redis_just_as_many_pass(start_gateway, backend, key, refusal):
    found = statuses([start_gateway(limited(backend.port))], 1000, key)
    assert (found.count(200), found.count(refusal)) == (LIMIT, 1000 - LIMIT)


def test_answers_are_those_of_counters_in_memory(start, start_gateway, backend, redis):
    def told(gateway):
        client = gateway.connect()
        targets = ["/one/a", "/one/a", "/one/a", "/one/b"]
        answers = [client.ask(request(3, target)) for target in targets]
        names = ("RateLimit-Policy", "RateLimit", "Retry-After")
        told = [(answer.status, answer.body, [answer.all(name) for name in names]) for answer in answers]
        # Of a period of 300 or 3600 seconds some may be over.
        return re.sub(r"\b(2\d\d|300|3[3-5]\d\d|3600|00:5\d:\d\d|01:00:00)\b", "some", repr(told))

    backend.answer_with(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 100)
    assert told(start(redis)) == told(start_gateway(limited(backend.port)))


def test_bytes_are_counted_over_all_gateways(start, redis, backend):
    backend.answer_with(b"HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n" + b"x" * 1024)
    one, other = start(redis), start(redis)
    assert one.ask(request(3)).status == 200
    refused = other.ask(request(3, "/one/b"))
    assert (refused.status, b"Out of bandwidth quota." in refused.body) == (403, True)


def test_a_body_that_arrives_before_redis_has_answered_is_held_back_and_goes_on_whole(start, redis, backend):
    gateway = start(redis)
    body = bytes(range(256)) * 48_000
    head = f"POST /one/x HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: K1\r\nContent-Length: {len(body)}\r\n\r\n"
    redis.pause()
    client, before = gateway.connect(), gateway.resident_bytes()
    client.send(head.encode())
    sent = send_until_nobody_reads(client, body)
    # The kernel may hold all of it, the gateway does not.
    assert gateway.resident_bytes() - before < 4 * 2**20
    redis.resume()
    client.send(body[sent:])
    assert client.read_response().status == 200
    assert backend.bodies == [body]


def send_until_nobody_reads(client: Client, data: bytes) -> int:
    """How much of it the other side took before it stopped for half a second."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**16)
    client.socket.settimeout(0.5)
    sent = 0
    with contextlib.suppress(TimeoutError):
        while sent < len(data):
            sent += client.socket.send(data[sent : sent + 2**16])
    client.socket.settimeout(TIMEOUT_SECONDS)
    return sent


def post(body: bytes, length: int) -> bytes:
    head = f"POST /one/x HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: K1\r\nContent-Length: {length}\r\n\r\n"
    return head.encode() + body


def test_a_caller_that_closes_its_half_while_redis_is_asked_is_answered(start, redis, backend):
    gateway = start(redis)
    redis.pause()
    client = gateway.connect()
    client.send(post(b"12345", 5))
    client.socket.shutdown(socket.SHUT_WR)
    assert gateway.ask(request(9)).status == 401, "the gateway has seen the end by now"
    redis.resume()
    assert client.read_response().body == b"ok"
    assert client.is_closed()
    assert backend.bodies == [b"12345"]


def test_a_caller_that_closes_its_half_within_a_body_has_left(start, redis, backend):
    gateway = start(redis)
    redis.pause()
    client = gateway.connect()
    client.send(post(b"12345", 10))
    client.socket.shutdown(socket.SHUT_WR)
    assert gateway.ask(request(9)).status == 401, "the gateway has seen the end by now"
    redis.resume()
    assert client.is_closed()
    record = gateway.record(b"/one/x")
    assert (record.response_code, record.error_reason) == (0, "ClientConnectionFailure")
    assert backend.bodies in ([], [None])


def test_a_caller_that_leaves_while_redis_is_asked_does_no_harm(start, redis, backend):
    gateway = start(redis)
    redis.pause()
    client = gateway.connect()
    client.send(request())
    client.reset()
    gateway.record(b"/one/a")
    redis.resume()
    assert gateway.ask(request()).status == 200
    assert (len(backend.requests), redis.counted("rate")) == (1, 2)


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_calls_pass_and_are_counted_here_while_redis_is_away_and_all_are_settled_once(start, redis, how):
    gateway = start(redis, redis_answers=False)
    assert statuses([gateway], 30) == [200] * 30
    redis.kill() if how == "killed" else redis.pause()
    away = statuses([gateway], 100)
    assert (away.count(200), away.count(429)) == (LIMIT - 30, 30)
    assert [record.limits_unverified for record in gateway.records()].count(True) == LIMIT - 30
    redis.start() if how == "killed" else redis.resume()
    wait_for(lambda: redis.counted("rate") == LIMIT)
    assert redis.counted("quota") == LIMIT
    assert statuses([gateway, start(redis)], 20) == [429] * 20


@pytest.fixture
def cable(redis):
    cable = Cable(redis.port)
    yield cable
    cable.close()


@pytest.mark.parametrize("when_down", ["allow", "refuse"])
@pytest.mark.parametrize("calls", [30, 130])
def test_calls_whose_answer_is_lost_are_counted_once(start, redis, cable, calls, when_down):
    gateway = start(cable, COUNTERS_DOWN=when_down, redis_answers=False)
    cable.swallows_answers = True
    found = statuses([gateway], calls)
    passed = min(calls, LIMIT) if when_down == "allow" else 0
    assert found.count(200) == passed
    assert cable.swallowed > 0
    cable.swallows_answers = False
    is_settled(gateway)
    assert (redis.counted("rate"), redis.counted("quota")) == (passed, passed)
    assert statuses([gateway], LIMIT).count(200) == LIMIT - passed
    assert (redis.counted("rate"), redis.counted("quota")) == (LIMIT, LIMIT)


@pytest.mark.parametrize("is_late", [False, True], ids=["lost", "late"])
@pytest.mark.parametrize("when_down", ["allow", "refuse"])
def test_calls_whose_question_is_lost_or_late_are_counted_once(start, redis, cable, when_down, is_late):
    gateway = start(cable, COUNTERS_DOWN=when_down, redis_answers=False)
    cable.holds_commands = True
    found = statuses([gateway], 30)
    passed = 30 if when_down == "allow" else 0
    assert found.count(200) == passed
    assert cable.held_bytes > 0
    held, cable.holds_commands = cable.held_bytes, False
    cable.cut()
    is_settled(gateway)
    if is_late:
        # What was said on a connection before is no longer valid.
        assert cable.held_bytes >= held
        cable.let_go()
    assert statuses([gateway], LIMIT).count(200) == LIMIT - passed
    assert (redis.counted("rate"), redis.counted("quota")) == (LIMIT, LIMIT)


def test_a_connection_that_is_cut_again_and_again_loses_and_doubles_nothing(start, redis, cable):
    gateway, passed = start(cable, COUNTERS_TIMEOUT_SECONDS=0.5), 0
    for number in range(20):
        cable.swallows_answers = number % 3 == 0
        cable.holds_commands = number % 3 == 1
        passed += statuses([gateway], 4).count(200)
        if number % 2:
            cable.cut()
    cable.swallows_answers = cable.holds_commands = False
    cable.cut()
    wait_for(lambda: redis.counted("quota") == passed == redis.counted("rate"))
    cable.let_go()
    assert statuses([gateway], LIMIT).count(200) == LIMIT - passed
    wait_for(lambda: redis.counted("quota") == LIMIT == redis.counted("rate"))


def is_settled(gateway):
    """Wait until the gateway asks Redis again."""
    log = gateway.log.read_text
    wait_for(lambda: log().rfind("shared counters available") > log().rfind("shared counters unavailable"))


def test_bytes_of_calls_that_end_while_redis_is_away_are_settled_once(start, redis, cable, backend):
    backend.answer_with(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + b"x" * 500)
    gateway = start(cable, redis_answers=False)
    cable.swallows_answers = True
    assert gateway.ask(request(3)).status == 200
    cable.swallows_answers = False
    is_settled(gateway)
    (record,) = gateway.records()
    key = f"gateway:quota:3:0:0:{'03' * 16}"
    wait_for(lambda: redis.client.hget(key, "bytes") == str(record.request_bytes + record.response_bytes))
    assert redis.client.hget(key, "calls") == "1"


def test_a_clock_of_redis_that_is_set_back_makes_nobody_wait_longer_than_a_period(start, redis):
    gateway = start(redis)
    assert statuses([gateway], LIMIT) == [200] * LIMIT
    (key,) = redis.client.scan_iter("gateway:rate:*")
    times = [str(int(time) + 10**10) for time in redis.client.lrange(key, 0, -1)]
    redis.client.delete(key)
    redis.client.rpush(key, *times)
    assert 1 <= int(gateway.ask(request()).header("Retry-After")) <= 300
    assert redis.client.llen(key) == LIMIT


def test_calls_that_are_over_no_longer_count_in_redis(start, redis):
    gateway = start(redis)
    assert statuses([gateway], LIMIT) == [200] * LIMIT
    (key,) = redis.client.scan_iter("gateway:rate:*")
    times = redis.client.lrange(key, 0, -1)
    redis.client.delete(key)
    old = [str(int(time) - 300 * 10**6) for time in times[:40]]
    redis.client.rpush(key, *old, *times[40:])
    found = statuses([gateway], LIMIT)
    assert (found.count(200), redis.client.llen(key)) == (40, LIMIT)
    assert 0 < redis.client.ttl(key) <= 301


def test_a_gateway_without_redis_waits_once_and_then_decides_at_once(start, redis):
    gateway = start(redis, redis_answers=False)
    redis.pause()
    client = gateway.connect()
    assert client.ask(request()).status == 200
    redis.pause()
    assert [client.ask(request()).status for _ in range(20)] == [200] * 20
    first, *later = gateway.records()
    assert first.total_seconds >= 1.5
    assert sum(record.total_seconds for record in later) < 20 * 1.5


def test_a_gateway_that_may_not_decide_alone_says_so_and_counts_nothing(start, redis, backend):
    gateway = start(redis, COUNTERS_DOWN="refuse", redis_answers=False)
    redis.pause()
    answer = gateway.ask(request())
    assert (answer.status, answer.header("Retry-After")) == (503, b"1")
    assert gateway.ask(request()).status == 503
    redis.resume()
    wait_for(lambda: gateway.ask(request()).status == 200)
    assert (redis.counted("rate"), redis.counted("quota"), len(backend.requests)) == (1, 1, 1)


def test_a_gateway_starts_without_redis(start_gateway, backend, redis):
    redis.kill()
    gateway = start_gateway(limited(backend.port), REDIS_URL=redis.url)
    assert gateway.ask(request()).status == 200
    redis.start()
    wait_for(lambda: redis.counted("quota") == 1)


def test_quotas_come_back_from_gateways_where_redis_lost_its_data(start, forgetful_redis):
    redis = forgetful_redis
    one, other = start(redis), start(redis)
    assert statuses([one], 30, key=2) + statuses([other], 30, key=2) == [200] * 60
    redis.kill()
    redis.start()
    for gateway in (one, other):
        wait_for(lambda log=gateway.log: log.read_text().count("shared counters available") == 2)
    assert other.ask(request(2)).status == 200
    found = statuses([one, other], 60, key=2)
    assert (found.count(200), found.count(403)) == (39, 21)


def test_quotas_come_back_from_journals_where_all_were_killed(start, start_gateway, backend, forgetful_redis):
    redis = forgetful_redis
    gateway = start(redis)
    assert statuses([gateway], 60, key=2) == [200] * 60
    gateway.kill()
    redis.kill()
    redis.start()
    again = start_gateway(
        limited(backend.port), again=gateway, REDIS_URL=redis.url, COUNTERS_TIMEOUT_SECONDS=PATIENCE_SECONDS
    )
    found = statuses([again], 60, key=2)
    assert (found.count(200), found.count(403)) == (40, 20)


def test_a_flush_of_redis_is_noticed(start, redis):
    gateway = start(redis)
    assert statuses([gateway], 60, key=2) == [200] * 60
    redis.client.flushall()
    found = statuses([gateway], 60, key=2)
    assert (found.count(200), found.count(403)) == (40, 20)
    wait_for(lambda: redis.counted("quota") == LIMIT)


@pytest.mark.parametrize("url", ["redis://:{password}@127.0.0.1:{port}/3", "unix://:{password}@{socket}?db=3"])
def test_redis_is_reached_by_its_url(start_gateway, backend, tmp_path, url):
    password, socket_file = "ge/h:eim", tmp_path / "redis.sock"
    redis = RedisServer(tmp_path, db=3, requirepass=password, unixsocket=socket_file)
    try:
        url = url.format(password=quote(password, safe=""), port=redis.port, socket=socket_file)
        gateway = start_gateway(
            limited(backend.port), REDIS_URL=url, COUNTERS_TIMEOUT_SECONDS=PATIENCE_SECONDS
        ).wait_for_log("shared counters available")
        assert gateway.ask(request()).status == 200
        assert redis.counted("quota") == 1
        assert "eim" not in gateway.log.read_text()
    finally:
        redis.close()


@pytest.mark.parametrize("is_trusted", [True, False])
def test_redis_behind_tls_needs_a_good_certificate(start_gateway, backend, tmp_path, is_trusted):
    authority, port = trustme.CA(), free_port()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(tmp_path / "key")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "certificate")
    (authority if is_trusted else trustme.CA()).cert_pem.write_to_path(tmp_path / "trusted")
    tls = {"tls-port": port, "tls-auth-clients": "no", "tls-ca-cert-file": tmp_path / "certificate"}
    files = {"tls-cert-file": tmp_path / "certificate", "tls-key-file": tmp_path / "key"}
    redis = RedisServer(tmp_path, **tls, **files)
    try:
        settings = {"REDIS_URL": f"rediss://localhost:{port}/0", "SSL_CERT_FILE": tmp_path / "trusted"}
        settings["COUNTERS_TIMEOUT_SECONDS"] = PATIENCE_SECONDS
        gateway = start_gateway(limited(backend.port), **settings)
        gateway.wait_for_log("shared counters " + ("available" if is_trusted else "unavailable"))
        assert gateway.ask(request()).status == 200
        assert redis.counted("quota") == is_trusted
    finally:
        redis.close()


@pytest.mark.parametrize(
    "said",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"*1\r\n", b"$-1\r\n", b"$9999999999\r\n", b"\0" * 1000, b"+OK\r\n" * 9],
)
def test_what_is_no_redis_is_none(start_gateway, backend, said):
    nonsense = Backend()
    nonsense.behave = lambda connection: (connection.receive(), connection.send(said), connection.read_to_end())
    try:
        gateway = start_gateway(limited(backend.port), REDIS_URL=f"redis://127.0.0.1:{nonsense.port}/0")
        gateway.wait_for_log("shared counters unavailable, deciding alone")
        assert gateway.ask(request()).status == 200
    finally:
        nonsense.close()


def test_a_url_that_cannot_be_used_stops_the_start_and_hides_the_password(start_gateway, backend):
    with pytest.raises(AssertionError) as stopped:
        start_gateway(limited(backend.port), REDIS_URL="http://user:geheim@127.0.0.1:1/")
    assert "gateway: REDIS_URL: give a URL such as redis://" in str(stopped.value)
    assert "geheim" not in str(stopped.value)


def test_a_quota_that_began_later_than_now_lasts_no_longer_than_its_period(start, redis):
    """The clock of Redis was set back by an hour."""
    key = f"gateway:quota:2:0:0:{bytes([2]).hex() * 16}"
    later = int((redis.client.time()[0] + 3600) * 1e6)
    redis.client.hset(key, mapping={"start": later, "calls": LIMIT - 1, "bytes": 0})
    gateway = start(redis)
    answers = [gateway.ask(request(2)) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 403]
    assert 3000 <= int(answers[1].header("Retry-After")) <= 3600
    assert int(redis.client.hget(key, "start")) < later
    assert redis.client.ttl(key) <= 3600


def test_a_redis_whose_name_can_be_none_is_asked_for_again_and_again(start_gateway, backend):
    gateway = start_gateway(limited(backend.port), GATEWAY_COUNTERS="redis", REDIS_URL="redis://no..name:6379/0")
    wait_for(lambda: gateway.log.read_text().count("shared counters unavailable") > 1)
