"""How far usage is behind the calls: told to administrators, and to the gateways that tell Prometheus."""

from datetime import timedelta

import pytest
from django.utils import timezone

from analytics.ingest import ingest
from analytics.lag import IngestLag, ingest_lag
from gateway.journal.lag import noted, waiting
from gateway.journal.parts import MAGIC, frame, parts
from tests.analytics.conftest import NOON, record

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def journal(tmp_path, settings):
    settings.JOURNAL_DIR = tmp_path
    return tmp_path


def size(*records) -> int:
    return sum(len(frame(one)) for one in records)


def test_the_oldest_call_that_waits_is_found_among_all_gateways(write, journal):
    write(record(5), record(6), name="a")
    write(record(7), name="a")
    write(record(3), name="b")
    assert ingest_lag() == IngestLag(NOON + timedelta(seconds=3), size(*map(record, (5, 6, 7, 3))))
    ingest(journal)
    assert ingest_lag() == IngestLag(None, 0)


def test_what_is_ingested_of_a_part_does_not_wait(start_gateway, journal):
    gateway = start_gateway()
    for number in (1, 2):
        gateway.append(record(number))
        gateway.flush()
        assert ingest_lag() == IngestLag(NOON + timedelta(seconds=number), size(record(number)))
        ingest(journal)
        assert ingest_lag() == IngestLag(None, 0)


def test_gateways_are_told_what_the_database_says(write, journal):
    write(record(1), record(2))
    assert waiting(journal, noted(journal)).oldest == record(1).at
    ingest(journal)
    assert waiting(journal, noted(journal)) == waiting(journal, {parts(journal)[0].file.name: 10**9})


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"a": "b"}', b"\xff"])
def test_a_damaged_note_counts_for_nothing(write, journal, content):
    write(record(1))
    ingest(journal)
    (journal / "ingested.json").write_bytes(content)
    assert noted(journal) == {}
    assert waiting(journal, noted(journal)).bytes == size(record(1))


def test_a_part_without_a_whole_record_has_no_age(journal):
    (journal / "gw-000000000001.journal").write_bytes(MAGIC + frame(record(1))[:-1])
    assert ingest_lag() == IngestLag(None, size(record(1)) - 1)


def test_a_clock_that_is_nowhere_does_not_stop_the_page(journal):
    (journal / "gw-000000000001.journal").write_bytes(MAGIC + frame(record(1, at=1e300)))
    assert ingest_lag().oldest is None


def test_a_clock_that_is_ahead_gives_no_negative_age():
    assert IngestLag(NOON, 1).seconds(NOON - timedelta(days=1)) == 0
    assert IngestLag(NOON, 1).seconds(NOON + timedelta(days=1)) == 86_400


def test_a_journal_on_another_machine_says_nothing(settings, tmp_path):
    settings.JOURNAL_DIR = tmp_path / "elsewhere"
    assert ingest_lag() is None


def test_ages_are_those_of_now(write, journal):
    write(record(at=(timezone.now() - timedelta(minutes=5)).timestamp()))
    assert 299 < ingest_lag().seconds(timezone.now()) < 600
