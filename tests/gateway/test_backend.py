"""Backends compiled: what may share a connection, what is added to a call, and what cannot be used."""

import asyncio
import logging
import ssl

import pytest
import trustme
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization

from gateway.configuration import sealed
from gateway.configuration.snapshot import Backend as Row
from gateway.configuration.snapshot import Breaker, Credentials, Member, Retry
from gateway.upstream.backend import Backend, Backends, Guarded, compile_backends, destination_of
from gateway.upstream.tls import TLS, TLSSettings
from tests.gateway.snapshots import api

CIPHER = sealed.cipher("only-for-tests-" + "y" * 40)
URL = "https://b.test/base"


def compiled(*rows: Row, before: Backends | None = None, cipher: Fernet | None = CIPHER) -> Backends:
    steps = compile_backends(rows, cipher, before)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value


def service(number: int = 1, url: str = URL, **fields) -> Backend:
    return compiled(Row(number, "b", url, **fields)).services[number]


def with_credentials(*, url: str = "http://b.test/base", **fields) -> Backend:
    return service(url=url, sealed=sealed.seal(Credentials(**fields), CIPHER))


@pytest.fixture(scope="module")
def certificate() -> str:
    leaf = trustme.CA().issue_cert("gateway.test")
    return b"".join([leaf.private_key_pem.bytes(), *(pem.bytes() for pem in leaf.cert_chain_pems)]).decode()


@pytest.fixture(scope="module")
def authority() -> str:
    return trustme.CA().cert_pem.bytes().decode()


def test_backends_of_one_origin_and_setting_share_connections():
    assert service(1).key == service(2, "https://b.test:443/other", read_seconds=3).key


def test_what_differs_in_origin_or_trust_shares_no_connection(authority, certificate):
    client = sealed.seal(Credentials(certificate_pem=certificate), CIPHER)
    backends = [
        service(),
        service(url="http://b.test:443/base"),
        service(url="https://c.test/base"),
        service(url="https://b.test:444/base"),
        service(verify_chain=False),
        service(verify_name=False),
        service(ca_pem=authority),
        service(sealed=client),
        service(1, max_connections=1),
        service(2, max_connections=1),
    ]
    assert len({backend.key for backend in backends}) == len(backends)
    assert backends[0].tls is service(5).tls, "one context for one setting"


@pytest.mark.parametrize(
    ("rest", "target"),
    [
        (b"/a", b"/base/a?code=s%26%3D%C3%A9&v=1"),
        (b"", b"/base?code=s%26%3D%C3%A9&v=1"),
        (b"/a?", b"/base/a?code=s%26%3D%C3%A9&v=1"),
        (b"/a?b=2", b"/base/a?b=2&code=s%26%3D%C3%A9&v=1"),
        (b"/a?code=x&b=2&%63ode=y&codes=z", b"/base/a?b=2&codes=z&code=s%26%3D%C3%A9&v=1"),
        (b"/a?v=x", b"/base/a?code=s%26%3D%C3%A9&v=1"),
    ],
)
def test_query_credentials_replace_the_callers(rest, target):
    assert with_credentials(query=(("code", "s&=é"), ("v", "1"))).target(rest) == target


def test_header_credentials_are_lines_and_replace_the_callers():
    added = with_credentials(headers=(("Authorization", "Basic abc"), ("X-Key", "ü"))).added
    assert added.lines == "Authorization: Basic abc\r\nX-Key: ü\r\n".encode()
    assert added.replaced == {b"authorization", b"x-key"}


def test_no_secret_shows_in_a_backends_repr(certificate):
    backend = with_credentials(
        url=URL, headers=(("X", "hunter2"),), query=(("q", "hunter2"),), certificate_pem=certificate
    )
    assert "hunter2" not in repr(backend)
    assert "PRIVATE" not in repr(backend)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"url": "ftp://b.test"}, id="no http"),
        pytest.param({"url": ""}, id="no URL"),
        pytest.param({"sealed": b"gAAAA-hunter2"}, id="not sealed by us"),
        pytest.param({"credentials": Credentials(headers=(("X\r\nY", "hunter2"),))}, id="line break in a name"),
        pytest.param({"credentials": Credentials(headers=(("X", "hunter2\r\nY: z"),))}, id="line break in a value"),
        pytest.param({"credentials": Credentials(headers=(("X", "hunter2\0"),))}, id="null character"),
        pytest.param({"credentials": Credentials(headers=(("X", " hunter2"),))}, id="space around a value"),
        pytest.param({"credentials": Credentials(headers=(("Host", "hunter2"),))}, id="Host"),
        pytest.param({"credentials": Credentials(headers=(("transfer-Encoding", "hunter2"),))}, id="framing"),
        pytest.param({"credentials": Credentials(query=(("", "hunter2"),))}, id="parameter without a name"),
        pytest.param({"ca_pem": "hunter2"}, id="no authority"),
        pytest.param({"credentials": Credentials(certificate_pem="hunter2")}, id="no certificate"),
    ],
)
def test_a_broken_backend_is_left_out_and_its_secrets_stay_out_of_the_log(fields, caplog, certificate):
    fields = {"url": URL} | fields
    if (credentials := fields.pop("credentials", None)) is not None:
        fields["sealed"] = sealed.seal(credentials, CIPHER)
    with caplog.at_level(logging.ERROR, "gateway"):
        backends = compiled(Row(1, "b", **fields), Row(2, "good", URL))
    assert list(backends.destinations) == [2]
    assert "backend=1" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_private_key_with_a_password_is_refused_without_asking_for_it():
    leaf = trustme.CA().issue_cert("gateway.test")
    key = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"hunter2"),
    )
    certificate = (locked + leaf.cert_chain_pems[0].bytes()).decode()
    row = Row(1, "b", URL, sealed=sealed.seal(Credentials(certificate_pem=certificate), CIPHER))
    assert compiled(row).services == {}


def test_a_pool_is_made_of_its_usable_members_by_priority():
    members = (Member(1, 2, 1), Member(2, 1, 5), Member(3, 1, 1), Member(9, 1, 1))
    rows = (Row(1, "a", URL), Row(2, "b", URL), Row(3, "c", "broken"), Row(4, "p", members=members))
    pool = compiled(*rows).destinations[4]
    assert isinstance(pool, Guarded)
    assert [[(m.backend.id, m.weight) for m in group] for group in pool.groups] == [[(2, 5)], [(1, 1)]]


def test_a_pool_of_nothing_usable_is_missing_and_no_pool_is_in_a_pool():
    rows = (
        Row(1, "a", URL),
        Row(2, "p", members=(Member(1),)),
        Row(3, "q", members=(Member(2), Member(3), Member(8))),
    )
    assert list(compiled(*rows).destinations) == [1, 2]


@pytest.mark.parametrize("fields", [{}, {"breaker": Breaker(1, 1, 1)}, {"retry": Retry(1)}])
def test_only_backends_with_rules_are_guarded(fields):
    destination = compiled(Row(1, "a", URL, **fields)).destinations[1]
    assert isinstance(destination, Guarded) is bool(fields)


@pytest.mark.parametrize(
    ("on_api", "on_pool", "on_member", "per_attempt", "in_all"),
    [
        (None, None, None, None, None),
        (None, None, 3, 3, None),
        (None, 9, None, 9, 9),
        (None, 9, 3, 3, 9),
        (5, 9, 3, 5, 5),
        (5, None, None, 5, 5),
    ],
)
def test_the_apis_time_goes_before_the_backends(on_api, on_pool, on_member, per_attempt, in_all):
    rows = (Row(1, "a", URL, read_seconds=on_member), Row(2, "p", members=(Member(1),), read_seconds=on_pool))
    pool = destination_of(api(backend=2, backend_seconds=on_api), compiled(*rows))
    assert isinstance(pool, Guarded)
    assert (pool.groups[0][0].backend.seconds, pool.seconds) == (per_attempt, in_all)
    single = destination_of(api(backend=1, backend_seconds=on_api), compiled(*rows))
    assert isinstance(single, Backend)
    assert single.seconds == (on_api or on_member)


def test_what_has_not_changed_is_not_compiled_again():
    before = compiled(Row(1, "a", URL), Row(2, "b", URL))
    after = compiled(Row(1, "a", URL), Row(2, "b", "https://c.test"), before=before)
    assert after.services[1] is before.services[1]
    assert after.services[2].host == "c.test"


def test_without_a_key_backends_with_credentials_cannot_be_used():
    rows = (Row(1, "a", URL, sealed=sealed.seal(Credentials(headers=(("A", "b"),)), CIPHER)), Row(2, "b", URL))
    assert list(compiled(*rows, cipher=None).services) == [2]


def test_authorities_that_could_not_be_opened_are_loaded_for_the_next_connection(monkeypatch):
    paths = ssl.get_default_verify_paths()
    tls = TLS(TLSSettings())

    async def connect_twice() -> ssl.SSLContext:
        with monkeypatch.context() as patch:
            patch.setattr(ssl, "get_default_verify_paths", lambda: paths._replace(cafile="/nowhere"))
            with pytest.raises(FileNotFoundError):
                await tls.context()
        return await tls.context()

    assert asyncio.run(connect_twice()) is not None
