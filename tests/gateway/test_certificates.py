"""Which certificate a caller gets, and how certificates are renewed."""

import asyncio
import logging
import time

import pytest

from gateway.listeners.certificates import CertificateError, Certificates, Pair, by_name, choose, load, pairs_of
from tests.gateway.certificates import make_certificate, write_pair

DAY = 86400.0


def pair(text: str) -> Pair:
    return pairs_of([text])[0]


@pytest.mark.parametrize("text", ["", "certificate.pem", "certificate.pem:", ":key.pem"])
def test_a_pair_is_two_files(text):
    with pytest.raises(ValueError, match=r"certificate\.pem:key\.pem"):
        pairs_of([text])


@pytest.mark.parametrize(
    ("name", "found"),
    [
        pytest.param(None, "first", id="no name"),
        pytest.param("api.example.org", "first", id="of the first"),
        pytest.param("API.Example.ORG", "first", id="in another case"),
        pytest.param("second.example.org", "second", id="of the second"),
        pytest.param("any.apps.example.org", "wildcard", id="by a wildcard"),
        pytest.param("one.apps.example.org", "second", id="a name goes before a wildcard"),
        pytest.param("a.b.apps.example.org", "first", id="a wildcard is one level"),
        pytest.param("apps.example.org", "first", id="a wildcard is not its parent"),
        pytest.param("*.apps.example.org", "wildcard", id="the wildcard itself"),
        pytest.param("elsewhere.test", "first", id="an unknown name"),
    ],
)
def test_the_certificate_for_a_name(name, found, tmp_path):
    certificates = {
        "first": load(pair(write_pair(tmp_path / "1", "api.example.org"))),
        "second": load(pair(write_pair(tmp_path / "2", "second.example.org", "one.apps.example.org"))),
        "wildcard": load(pair(write_pair(tmp_path / "3", "*.apps.example.org", "api.example.org"))),
    }
    named = by_name(list(certificates.values()))
    assert choose(name, certificates["first"], named) is certificates[found]


def test_the_watch_goes_on_after_a_failure_that_nobody_foresaw(tmp_path, monkeypatch, caplog):
    looks = []

    def look(now):
        looks.append(now)
        raise KeyError("unforeseen")

    async def watch() -> None:
        certificates = Certificates([pair(write_pair(tmp_path, "a.test"))], time.time())
        certificates.look = look
        certificates.start()
        while len(looks) < 3:
            await asyncio.sleep(0.01)
        certificates.stop()

    monkeypatch.setattr("gateway.listeners.certificates.POLL_SECONDS", 0.01)
    asyncio.run(watch())
    assert "certificates could not be looked at" in caplog.text


def test_only_good_ciphers_of_tls_1_2_and_1_3(tmp_path):
    context = load(pair(write_pair(tmp_path, "a.test"))).context
    assert context.minimum_version.name == "TLSv1_2"
    names = {cipher["name"] for cipher in context.get_ciphers()}
    assert all(name.startswith(("TLS_", "ECDHE-")) and ("GCM" in name or "POLY1305" in name) for name in names), names


def broken_files(directory):
    """Pairs that cannot be used, the file that is to be named, and a word of the reason."""
    good = write_pair(directory / "good", "a.test").split(":")
    other = write_pair(directory / "other", "b.test").split(":")
    locked = write_pair(directory / "locked", "c.test", password=b"secret").split(":")
    empty = directory / "empty.pem"
    empty.touch()
    noise = directory / "noise.pem"
    noise.write_bytes(b"-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n")
    return {
        "another key": (good[0], other[1], "key.pem", "not the key of"),
        "a locked key": (*locked, "key.pem", "password"),
        "no certificate file": (str(directory / "none.pem"), good[1], "none.pem", "No such file"),
        "no key file": (good[0], str(directory / "none.pem"), "none.pem", "No such file"),
        "an empty certificate": (str(empty), good[1], "empty.pem", "certificate in PEM"),
        "an empty key": (good[0], str(empty), "empty.pem", "cannot be used"),
        "noise for a certificate": (str(noise), good[1], "noise.pem", "certificate in PEM"),
        "a folder": (str(directory), good[1], directory.name, "Is a directory"),
        "the key for a certificate": (good[1], good[1], "key.pem", "certificate in PEM"),
    }


@pytest.mark.parametrize(
    "case",
    [
        "another key",
        "a locked key",
        "no certificate file",
        "no key file",
        "an empty certificate",
        "an empty key",
        "noise for a certificate",
        "a folder",
        "the key for a certificate",
    ],
)
def test_a_pair_that_cannot_be_used_is_named_with_the_reason(case, tmp_path):
    certificate, key, file, reason = broken_files(tmp_path)[case]
    with pytest.raises(CertificateError) as refused:
        load(pair(f"{certificate}:{key}"))
    message = str(refused.value)
    assert file in message.partition(": ")[0]
    assert reason in message
    assert "BEGIN" not in message


def test_a_changed_pair_is_taken_over_once_it_stays_the_same(tmp_path):
    certificates = Certificates(pairs_of([write_pair(tmp_path, "old.test")]), time.time())
    first = certificates.certificates[0]
    write_pair(tmp_path, "new.test")
    certificates.look(time.time())
    assert certificates.certificates == [first]
    certificates.look(time.time())
    assert certificates.certificates[0].names == {"new.test"}


def test_a_pair_behind_a_turned_link_is_taken_over(tmp_path):
    write_pair(tmp_path / "1", "old.test")
    write_pair(tmp_path / "2", "new.test")
    (tmp_path / "live").symlink_to("1")
    certificates = Certificates(
        pairs_of([f"{tmp_path}/live/certificate.pem:{tmp_path}/live/key.pem"]),
        time.time(),
    )
    (tmp_path / "next").symlink_to("2")
    (tmp_path / "next").rename(tmp_path / "live")
    certificates.look(time.time())
    certificates.look(time.time())
    assert certificates.certificates[0].names == {"new.test"}


def test_a_pair_that_does_not_match_leaves_the_one_before_and_is_logged_once(tmp_path, caplog):
    certificates = Certificates(pairs_of([write_pair(tmp_path, "old.test")]), time.time())
    certificate, key = make_certificate("new.test")
    (tmp_path / "certificate.pem").write_bytes(certificate)
    for _ in range(4):
        certificates.look(time.time())
    assert certificates.certificates[0].names == {"old.test"}
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert "key.pem: it is not the key of" in line
    (tmp_path / "key.pem").write_bytes(key)
    certificates.look(time.time())
    certificates.look(time.time())
    assert certificates.certificates[0].names == {"new.test"}


def test_a_certificate_that_expires_soon_is_warned_of_once_a_day(tmp_path, caplog):
    now = time.time()
    certificates = Certificates(pairs_of([write_pair(tmp_path, "a.test", days=13)]), now)
    assert certificates.certificates[0].expires == pytest.approx(now + 13 * DAY, abs=10)
    certificates.look(now + 60)
    certificates.look(now + DAY - 60)
    assert len(caplog.records) == 1
    certificates.look(now + DAY + 60)
    certificates.look(now + 14 * DAY)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "ERROR"]


def test_a_certificate_that_holds_for_long_is_not_warned_of(tmp_path, caplog):
    Certificates(pairs_of([write_pair(tmp_path, "a.test", days=15)]), time.time())
    assert not caplog.records
