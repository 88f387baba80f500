"""Changes of the snapshot file reach a running gateway, one by one; what is no good in it changes nothing."""

import asyncio
import errno
import logging
import os
import sys
import threading

import pytest
from msgspec.structs import replace

from gateway.catalogue import slices, watch
from gateway.catalogue.admission import Admitted, admit
from gateway.catalogue.routing import compile_in_steps
from gateway.catalogue.subscriptions import Subscriptions
from gateway.catalogue.watch import Watch
from gateway.configuration import snapshot
from gateway.configuration.snapshot import Gone, Operation, Snapshot, SnapshotError
from tests.gateway.conftest import echo_snapshot, wait_for
from tests.gateway.snapshots import SECRET, api, subscription

REQUEST = b"GET /echo/a HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: %b\r\n\r\n"
BASE = Snapshot(
    1,
    "demo",
    "",
    apis=(api(1, "echo", "GET /q"),),
    subscriptions=(subscription(b"K1", id=b"1" * 16), subscription(b"K2", id=b"2" * 16)),
)
NOTHING = replace(BASE, revision=2, apis=(), subscriptions=())
NOTHING_GONE = Gone()
TWIN = api(2, "echo", "GET /twin")


class Follower:
    """A watch over a file of its own, and the catalogue that it serves."""

    def __init__(self, file):
        self.file = file
        self.catalogue = None
        self.published = 0
        self.watch = Watch(file, SECRET, None, self._publish)

    def _publish(self, catalogue):
        self.catalogue = catalogue
        self.published += 1

    def write(self, content=BASE):
        snapshot.write(content, self.file)
        self.watch.look()
        return self

    def append(self, changed=NOTHING, gone=NOTHING_GONE, **rows):
        snapshot.append(replace(changed, **rows), gone, self.file, self.file.stat().st_size)
        self.watch.look()
        return self

    def serves(self, path: bytes, key: bytes) -> bool:
        headers = [(b"ocp-apim-subscription-key", key)]
        return isinstance(admit(self.catalogue, b"GET", path, headers, b"http", b"gw", 0.0), Admitted)

    def opens(self, *keys: bytes) -> bool:
        return all(self.serves(b"/echo/q", key) for key in keys)


@pytest.fixture
def follower(tmp_path):
    return Follower(tmp_path / "snapshot")


def test_a_running_gateway_follows_single_subscriptions(start_gateway, backend):
    content = echo_snapshot(f"http://127.0.0.1:{backend.port}")
    gateway = start_gateway(content)
    file = gateway.directory / "gateway" / "snapshot.msgpack"

    def append(*subscriptions, gone=()):
        changed = replace(content, apis=(), products=(), subscriptions=subscriptions)
        snapshot.append(changed, Gone(subscriptions=gone), file, file.stat().st_size)

    def status(key):
        return gateway.ask(REQUEST % key).status

    first = content.subscriptions[0]
    assert (status(b"K1"), status(b"K9")) == (200, 401)
    append(replace(first, is_active=False))
    wait_for(lambda: status(b"K1") == 401)
    append(first)
    wait_for(lambda: status(b"K1") == 200)
    append(gone=(first.id,))
    wait_for(lambda: status(b"K1") == 401)
    gateway.hang_up()


def test_a_change_of_subscriptions_leaves_the_catalogue_alone(follower):
    follower.write()
    catalogue = follower.catalogue
    follower.append(subscriptions=(subscription(b"K3", id=b"3" * 16),))
    assert follower.opens(b"K1", b"K2", b"K3")
    assert follower.catalogue is catalogue


def test_a_subscription_with_other_keys_loses_the_old_ones(follower):
    follower.write().append(subscriptions=(subscription(b"K2", b"K3", id=b"2" * 16),))
    assert follower.opens(b"K1", b"K2", b"K3")
    follower.append(subscriptions=(subscription(b"K3", id=b"2" * 16),))
    assert follower.opens(b"K1", b"K3")
    assert not follower.opens(b"K2")


@pytest.mark.parametrize("order", [1, -1], ids=["taken first", "left first"])
def test_a_key_can_move_to_another_subscription(follower, order):
    moved = (subscription(b"K1", b"K2", id=b"1" * 16), subscription(b"K4", id=b"2" * 16))
    follower.write().append(subscriptions=moved[::order])
    assert follower.opens(b"K1", b"K2", b"K4")
    follower.append(gone=Gone(subscriptions=(b"2" * 16,)))
    assert follower.opens(b"K1", b"K2")
    assert not follower.opens(b"K4")


def test_a_changed_api_is_served_and_the_others_are_not_compiled_again(follower):
    follower.write(replace(BASE, apis=(*BASE.apis, api(2, "other", "GET /q"))))
    before = follower.catalogue.apis[2].methods
    follower.append(apis=(api(1, "echo", "GET /new"),))
    assert follower.serves(b"/echo/new", b"K1")
    assert not follower.serves(b"/echo/q", b"K1")
    assert follower.catalogue.apis[2].methods is before


def test_an_api_that_is_gone_is_not_served(follower):
    follower.write().append(gone=Gone(apis=(1,)))
    assert not follower.serves(b"/echo/q", b"K1")


def test_a_new_address_of_the_gateway_is_told_callers(follower):
    follower.write().append(gateway_url="https://new.example.org")
    assert follower.catalogue.gateway_url == b"https://new.example.org"


def test_what_a_new_file_does_not_hold_is_gone(follower):
    follower.write().write(replace(BASE, subscriptions=BASE.subscriptions[1:]))
    assert follower.opens(b"K2")
    assert not follower.opens(b"K1")


def test_a_new_file_that_says_the_same_changes_nothing(follower):
    follower.write()
    served = [*follower.catalogue.subscriptions.by_id.values()]
    follower.write(replace(BASE, revision=9))
    assert (follower.published, follower.watch.revision) == (1, 9)
    assert all(one is other for one, other in zip(served, follower.catalogue.keys.values(), strict=True))


def test_many_changes_in_one_look_are_all_taken_over(follower):
    follower.write()
    for number in range(300):
        changed = replace(NOTHING, subscriptions=(subscription(b"N%d" % number, id=b"%016d" % number),))
        snapshot.append(changed, Gone(), follower.file, follower.file.stat().st_size)
    follower.append(apis=(api(1, "echo", "GET /q", "GET /more"),))
    assert follower.opens(*(b"N%d" % number for number in range(300)))
    assert follower.serves(b"/echo/more", b"K1")


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 1000])
def test_changes_of_any_number_of_subscriptions_are_whole(follower, count):
    new = tuple(subscription(b"N%d" % number, id=b"%016d" % number) for number in range(count))
    follower.write().append(subscriptions=new)
    assert follower.opens(b"K1", *(b"N%d" % number for number in range(count)))
    follower.append(gone=Gone(subscriptions=tuple(one.id for one in new)))
    assert set(follower.catalogue.subscriptions.by_id) == {b"1" * 16, b"2" * 16}
    assert len(follower.catalogue.keys) == 2


def test_the_watch_tells_what_is_in_use(follower):
    assert (follower.watch.revision, follower.watch.published_at, follower.watch.loaded_at) == (0, None, None)
    follower.write()
    published, loaded = follower.watch.published_at, follower.watch.loaded_at
    assert (follower.watch.revision, follower.watch.last_error) == (1, "")
    assert published <= loaded
    follower.append()
    assert follower.watch.revision == 2
    assert follower.watch.published_at > published
    assert follower.watch.loaded_at > loaded


# -- What is no good -----------------------------------------------------------------------------


def test_a_catalogue_that_cannot_be_served_keeps_no_key_alive(follower, caplog):
    follower.write()
    with caplog.at_level(logging.ERROR):
        follower.append(apis=(TWIN,), gone=Gone(subscriptions=(b"1" * 16,)))
    assert "same URL suffix" in follower.watch.last_error
    assert follower.watch.last_error in caplog.text
    assert follower.watch.revision == 1
    assert follower.opens(b"K2")
    assert not follower.opens(b"K1")


def test_changes_go_on_after_a_catalogue_that_cannot_be_served(follower, caplog):
    follower.write().append(apis=(TWIN,))
    follower.append(subscriptions=(subscription(b"K3", id=b"3" * 16),))
    assert follower.opens(b"K3")
    assert [entry.levelname for entry in caplog.records].count("ERROR") == 1
    follower.append(apis=(replace(TWIN, path="twin"),), revision=5)
    assert (follower.watch.last_error, follower.watch.revision) == ("", 5)
    assert follower.serves(b"/twin/twin", b"K3")
    assert follower.opens(b"K1")


def test_without_a_catalogue_that_can_be_served_a_later_one_is(follower):
    follower.write(replace(BASE, apis=(*BASE.apis, TWIN)))
    assert follower.catalogue is None
    follower.append(gone=Gone(apis=(2,)))
    assert follower.opens(b"K1", b"K2")


def test_a_change_is_taken_over_once_it_is_whole(follower):
    follower.write()
    start = follower.file.stat().st_size
    snapshot.append(replace(NOTHING, subscriptions=(subscription(b"K3", id=b"1" * 16),)), Gone(), follower.file, start)
    whole = follower.file.read_bytes()
    with follower.file.open("r+b", buffering=0) as stream:
        stream.truncate(start)
        stream.seek(start)
        for byte in whole[start:]:
            assert follower.opens(b"K1")
            assert not follower.opens(b"K3")
            stream.write(bytes([byte]))
            follower.watch.look()
    assert follower.opens(b"K3")
    assert not follower.opens(b"K1")
    assert follower.watch.last_error == ""


def test_a_change_that_was_torn_off_is_replaced_with_its_file(follower):
    follower.write()
    with follower.file.open("ab") as stream:
        stream.write(follower.file.read_bytes()[8:-3])
    follower.watch.look()
    assert follower.opens(b"K1")
    follower.write(replace(BASE, revision=3, subscriptions=(subscription(b"K3", id=b"3" * 16),)))
    assert follower.opens(b"K3")
    assert not follower.opens(b"K1")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda whole: b"", id="empty"),
        pytest.param(lambda whole: b"\x88\xa8revision\x01", id="another format"),
        pytest.param(lambda whole: whole[:8], id="without a frame"),
        pytest.param(lambda whole: whole[:-1], id="not whole"),
        pytest.param(lambda whole: whole[:30] + b"\0" + whole[31:], id="damaged"),
    ],
)
def test_a_file_that_is_no_good_leaves_the_old_one_serving(follower, damage, caplog):
    follower.write()
    bad = follower.file.with_suffix(".bad")
    bad.write_bytes(damage(follower.file.read_bytes()))
    bad.replace(follower.file)
    for _ in range(3):
        follower.watch.look()
    assert follower.opens(b"K1", b"K2")
    assert follower.watch.last_error
    assert [entry.levelname for entry in caplog.records].count("ERROR") == 1
    with pytest.raises(SnapshotError):
        snapshot.read(follower.file)
    follower.write(replace(BASE, revision=7))
    assert (follower.watch.revision, follower.watch.last_error) == (7, "")


def test_damage_behind_a_good_change_is_refused_once_and_mended_by_a_new_file(follower, caplog):
    follower.write()
    with follower.file.open("ab") as stream:
        stream.write(bytes(20))
    for _ in range(3):
        follower.append(subscriptions=(subscription(b"K3", id=b"3" * 16),))
    assert "no frame at byte" in follower.watch.last_error
    assert [entry.levelname for entry in caplog.records].count("ERROR") == 1
    assert follower.opens(b"K1")
    follower.write(replace(BASE, subscriptions=(subscription(b"K3", id=b"3" * 16),)))
    assert follower.opens(b"K3")


def test_a_lost_file_leaves_the_old_one_serving(follower):
    follower.write()
    follower.file.unlink()
    follower.watch.look()
    assert follower.opens(b"K1")
    follower.write(replace(BASE, revision=3))
    assert follower.watch.revision == 3


def test_a_pipe_in_place_of_the_file_holds_up_nothing(follower):
    follower.write()
    follower.file.unlink()
    os.mkfifo(follower.file)
    follower.watch.look()
    assert follower.opens(b"K1")
    assert "no regular file" in follower.watch.last_error
    follower.file.unlink()
    follower.write(replace(BASE, revision=3))
    assert follower.watch.revision == 3


def test_a_file_that_shrinks_is_read_from_its_start(follower):
    follower.write()
    first = follower.file.read_bytes()
    follower.append(subscriptions=(subscription(b"K3", id=b"3" * 16),))
    follower.file.write_bytes(first)
    follower.watch.look()
    assert follower.opens(b"K1", b"K2")
    assert not follower.opens(b"K3")


def test_an_unforeseen_failure_loses_no_change(follower, monkeypatch, caplog):
    follower.write()
    with monkeypatch.context() as broken:
        broken.setattr(watch.Change, "add", lambda *arguments: 1 / 0)
        follower.append(subscriptions=(subscription(b"K3", id=b"3" * 16),))
    assert "ZeroDivisionError" in follower.watch.last_error
    assert "Traceback" in caplog.text
    follower.append(apis=(api(1, "echo", "GET /q", "GET /more"),))
    assert follower.opens(b"K1", b"K3")
    assert follower.serves(b"/echo/more", b"K3")
    assert follower.watch.last_error == ""


# -- Beside calls --------------------------------------------------------------------------------


def test_memory_does_not_grow_with_swaps(follower):
    def version(number):
        return Snapshot(
            number,
            "demo",
            "",
            apis=tuple(
                replace(one, operations=tuple(Operation(number, "GET", f"/{number % 7}/{{id}}") for _ in "a"))
                for one in (api(index, f"api-{index}") for index in range(20))
            ),
            subscriptions=tuple(
                subscription(b"K%d" % index, id=b"%016d" % index, owner=number) for index in range(200)
            ),
        )

    blocks = []
    for number in range(200):
        follower.write(version(number))
        assert follower.serves(b"/api-1/%d/a" % (number % 7), b"K1")
        for closing in threading.enumerate():
            if closing.name == "snapshot close":
                closing.join()
        blocks.append(sys.getallocatedblocks())
    assert max(blocks[150:]) < 1.02 * max(blocks[20:50])


def test_long_work_lets_calls_in_between(monkeypatch):
    """The clock goes on by 60 microseconds whenever it is looked at."""
    times = iter(range(0, 10**6, 60))
    monkeypatch.setattr(slices, "perf_counter", lambda: next(times) * 1e-6)
    done = []

    def steps():
        for number in range(6):
            done.append(number)
            yield

    async def calls():
        while len(done) < 6:
            done.append("call")
            await asyncio.sleep(0)

    async def both():
        await asyncio.gather(slices.in_slices(steps()), calls())

    asyncio.run(both())
    assert done[:9] == [0, 1, "call", 2, 3, "call", 4, 5]


def test_work_that_is_cancelled_halfway_leaves_no_noise(follower, recwarn):
    snapshot.write(BASE, follower.file)
    steps = follower.watch.steps()
    next(steps)
    steps.close()
    assert follower.catalogue is None


def test_a_change_that_could_not_be_read_for_want_of_descriptors_is_read_again(tmp_path, monkeypatch):
    follower = Follower(tmp_path / "snapshot").write()
    with monkeypatch.context() as patch:
        patch.setattr(watch, "compile_in_steps", no_descriptors)
        follower.append(apis=(api(2, "other", "GET /q"),))
        assert follower.watch.revision == 1
    follower.watch.look()
    assert follower.watch.revision == 2
    assert follower.watch.last_error == ""


def no_descriptors(*_):
    raise OSError(errno.EMFILE, "Too many open files")


def test_a_start_is_told_in_one_line_however_many_changes_it_reads(tmp_path, caplog):
    file = tmp_path / "snapshot"
    snapshot.write(BASE, file)
    for revision in (2, 3):
        snapshot.append(replace(NOTHING, revision=revision), NOTHING_GONE, file, file.stat().st_size)
    with caplog.at_level(logging.INFO):
        Follower(file).watch.look()
    assert [entry.getMessage() for entry in caplog.records] == ["snapshot in use: revision=3"]


def test_a_catalogue_is_compiled_in_small_steps():
    wide = api(1, "wide", *(f"GET /{number}" for number in range(500)))
    assert sum(1 for _ in compile_in_steps(replace(BASE, apis=(wide,)), SECRET, None, Subscriptions())) >= 500


def test_a_key_that_becomes_an_old_one_goes_on_without_a_gap(follower):
    one, two = BASE.subscriptions
    follower.write()
    old = tuple((key, 60.0) for key in one.keys)
    follower.append(subscriptions=(subscription(b"NEW", id=one.id, old_keys=old),))
    assert follower.opens(b"K1", b"NEW", b"K2")
    follower.append(revision=3, subscriptions=(subscription(b"NEW", id=one.id),))
    assert follower.opens(b"NEW", b"K2")
    assert not follower.opens(b"K1")
    assert set(follower.catalogue.keys) == {*two.keys, *subscription(b"NEW").keys}
