"""The publisher's process, killed again and again while the configuration changes."""

from contextlib import ExitStack

import pytest

from tests.publisher.publisher_process import Publisher, until


@pytest.fixture
def publisher(tmp_path):
    return Publisher(tmp_path)


def test_a_publisher_that_is_killed_misses_nothing(publisher):
    made = {publisher.subscribe()}

    def has_published_all():
        return publisher.published() == made

    for _ in range(3):
        with publisher.running():
            until(has_published_all)
            made |= {publisher.subscribe() for _ in range(5)}
        made.add(publisher.subscribe())
    with publisher.running():
        until(has_published_all)


def test_a_second_publisher_waits_and_takes_over(publisher):
    with ExitStack() as second:
        with publisher.running():
            made = {publisher.subscribe()}
            until(lambda: publisher.published() == made)
            second.enter_context(publisher.running())
            until(lambda: "publisher_waits" in publisher.log.read_text())
        made.add(publisher.subscribe())
        until(lambda: publisher.published() == made)
