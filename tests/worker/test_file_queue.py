"""Celery's queue as files: messages appear whole, are taken once, and leave nothing behind."""

import threading
from queue import Empty

import pytest
from kombu import Connection

from portal import file_queue

file_queue.install()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "queue").mkdir()
    return tmp_path / "queue"


@pytest.fixture
def open_channel(folder):
    opened = []

    def open_one():
        options = {"data_folder_in": str(folder), "data_folder_out": str(folder)}
        options["control_folder"] = str(folder.parent / "control")
        opened.append(Connection("filesystem://", transport_options=options))
        return opened[-1].channel()

    yield open_one
    for connection in opened:
        connection.release()


def test_filesystem_means_this_queue(open_channel):
    assert isinstance(open_channel(), file_queue.Channel)


def test_messages_come_in_the_order_in_which_they_were_put(open_channel, folder):
    channel = open_channel()
    for number in range(20):
        channel._put("work", {"number": number})
    assert [channel._get("work")["number"] for _ in range(20)] == list(range(20))
    assert list(folder.iterdir()) == []
    with pytest.raises(Empty):
        channel._get("work")


def test_each_queue_has_its_own_messages(open_channel):
    channel = open_channel()
    for queue in ("other.mine", "mine"):
        channel._put(queue, {"to": queue})
    assert [channel._size(queue) for queue in ("mine", "other.mine", "other")] == [1, 1, 0]
    assert [channel._get(queue)["to"] for queue in ("mine", "other.mine")] == ["mine", "other.mine"]


def test_a_message_is_not_seen_before_it_is_whole(open_channel, folder):
    channel = open_channel()
    channel._put("work", {})
    [file] = folder.iterdir()
    file.rename(file.with_suffix(".new"))
    with pytest.raises(Empty):
        channel._get("work")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe"])
def test_a_broken_message_is_dropped_and_the_next_one_taken(open_channel, folder, caplog, content):
    channel = open_channel()
    channel._put("work", {"is": "broken"})
    next(folder.iterdir()).write_bytes(content)
    channel._put("work", {"is": "good"})
    assert channel._get("work") == {"is": "good"}
    assert "was dropped" in caplog.text
    assert list(folder.iterdir()) == []


def test_workers_that_race_take_each_message_once(open_channel):
    channel = open_channel()
    for number in range(200):
        channel._put("work", {"number": number})
    start, taken = threading.Barrier(4), []

    def work(own) -> None:
        start.wait()
        while own._size("work"):
            try:
                taken.append(own._get("work")["number"])
            except Empty:
                return

    workers = [threading.Thread(target=work, args=(open_channel(),)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(taken) == list(range(200))
