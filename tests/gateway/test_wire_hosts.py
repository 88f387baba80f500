"""Gateways on two hosts that count in one Redis: each host is a network namespace."""

import itertools
import os
import shutil
import subprocess

import pytest

from tests.gateway.conftest import wait_for
from tests.gateway.raw import Backend
from tests.gateway.redis_server import RedisServer
from tests.gateway.test_wire_redis import LIMIT, limited, statuses

# Tests of several processes may run at once.
NETWORK = f"10.{200 + os.getpid() % 50}.{os.getpid() // 50 % 250}"
_numbers = itertools.count()


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def hosts():
    """Names of two namespaces. This one is .1 of their network, and .9 for Redis; they are .2 and .3."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        if os.environ.get("CI"):
            pytest.fail("needs root and iproute2")
        pytest.skip("needs root and iproute2 for network namespaces")
    # The kernel keeps an interface for a moment after its namespace has gone.
    names = [f"a{os.getpid()}-{next(_numbers)}" for _ in range(2)]
    bridge = f"b{os.getpid()}"
    try:
        run("ip", "link", "add", bridge, "type", "bridge")
        run("ip", "address", "add", f"{NETWORK}.1/24", "dev", bridge)
        run("ip", "address", "add", f"{NETWORK}.9/24", "dev", bridge)
        run("ip", "link", "set", bridge, "up")
        for number, name in enumerate(names, 2):
            run("ip", "netns", "add", name)
            run("ip", "link", "add", f"v{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
            run("ip", "link", "set", f"v{name}", "master", bridge, "up")
            run("ip", "-n", name, "address", "add", f"{NETWORK}.{number}/24", "dev", "eth0")
            run("ip", "-n", name, "link", "set", "eth0", "up")
            run("ip", "-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
        subprocess.run(["ip", "link", "delete", bridge], check=False, capture_output=True)


@pytest.fixture
def backend(hosts):
    backend = Backend(host=f"{NETWORK}.1")
    yield backend
    backend.close()


@pytest.fixture
def redis(hosts, tmp_path):
    server = RedisServer(tmp_path, host=f"{NETWORK}.9")
    yield server
    server.close()


@pytest.fixture
def gateways(hosts, backend, redis, start_gateway):
    started = [
        start_gateway(
            limited(backend.port, f"{NETWORK}.1"),
            within=("ip", "netns", "exec", name),
            GATEWAY_HOST=f"{NETWORK}.{number}",
            REDIS_URL=redis.url,
            COUNTERS_TIMEOUT_SECONDS=5,
        ).wait_for_log("shared counters available")
        for number, name in enumerate(hosts, 2)
    ]
    yield started
    for gateway in started:
        gateway.kill()


@pytest.mark.parametrize(("key", "refusal"), [(1, 429), (2, 403)], ids=["rate", "quota"])
def test_just_as_many_of_1000_calls_at_once_pass_as_the_limit_says(gateways, redis, key, refusal):
    found = statuses(gateways, 1000, key)
    assert (found.count(200), found.count(refusal)) == (LIMIT, 1000 - LIMIT)
    assert (redis.counted("rate"), redis.counted("quota")) == (LIMIT, LIMIT)


def test_a_host_that_is_cut_off_from_redis_decides_alone_and_settles_once_it_is_back(gateways, redis, hosts):
    assert statuses(gateways, 30) == [200] * 30
    run("ip", "-n", hosts[0], "route", "add", "blackhole", f"{NETWORK}.9")
    assert statuses(gateways[:1], 20) == [200] * 20
    assert statuses(gateways[1:], 20) == [200] * 20
    assert redis.counted("rate") == 50
    run("ip", "-n", hosts[0], "route", "delete", "blackhole", f"{NETWORK}.9")
    wait_for(lambda: redis.counted("rate") == 70)
    found = statuses(gateways, 60)
    assert (found.count(200), redis.counted("rate"), redis.counted("quota")) == (30, LIMIT, LIMIT)
