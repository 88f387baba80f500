"""Where webhooks may go, and where not (server-side request forgery)."""

import socket
from ipaddress import ip_network

import pytest
from django.core.exceptions import ValidationError

from webhooks.addresses import RefusedAddress, checked_addresses, target_of
from webhooks.posting import Message, post


def addresses_of(url: str) -> list[str]:
    return [str(address) for address in checked_addresses(target_of(url, allows_http=True), None)]


@pytest.fixture
def names(monkeypatch):
    """What names lead to; literal addresses lead to themselves."""
    known: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def look_up(host, port, **options):
        found = known.get(host, [host])
        return [entry for address in found for entry in real(address, port, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("127.0.0.1", id="loopback"),
        pytest.param("127.1", id="loopback, short"),
        pytest.param("0x7f.1", id="loopback, hexadecimal"),
        pytest.param("2130706433", id="loopback, one number"),
        pytest.param("0177.0.0.1", id="loopback, octal"),
        pytest.param("localhost", id="loopback by name"),
        pytest.param("[::1]", id="IPv6 loopback"),
        pytest.param("0.0.0.0", id="unspecified"),
        pytest.param("[::]", id="IPv6 unspecified"),
        pytest.param("10.1.2.3", id="private 10"),
        pytest.param("172.16.0.1", id="private 172"),
        pytest.param("192.168.1.1", id="private 192"),
        pytest.param("[fd00::1]", id="unique local"),
        pytest.param("169.254.169.254", id="the metadata of clouds"),
        pytest.param("[fe80::1]", id="IPv6 link-local"),
        pytest.param("[fec0::1]", id="IPv6 site-local"),
        pytest.param("100.64.0.1", id="carrier-grade NAT"),
        pytest.param("224.0.0.1", id="multicast"),
        pytest.param("[ff02::1]", id="IPv6 multicast"),
        pytest.param("240.0.0.1", id="reserved"),
        pytest.param("255.255.255.255", id="broadcast"),
        pytest.param("198.18.0.1", id="benchmarks"),
        pytest.param("192.0.2.1", id="documentation"),
        pytest.param("[2001:db8::1]", id="IPv6 documentation"),
        pytest.param("[::ffff:127.0.0.1]", id="mapped loopback"),
        pytest.param("[::ffff:a9fe:a9fe]", id="mapped metadata"),
        pytest.param("[::127.0.0.1]", id="compatible loopback"),
        pytest.param("[64:ff9b::10.0.0.1]", id="NAT64 of private"),
        pytest.param("[64:ff9b:1::1]", id="local NAT64"),
        pytest.param("[2002:7f00:1::]", id="6to4 of loopback"),
        pytest.param("[2001:0:4136:e378:8000:63bf:3fff:fdd2]", id="Teredo"),
    ],
)
def test_what_is_not_public_is_refused(host):
    with pytest.raises(RefusedAddress, match="not on the public Internet"):
        addresses_of(f"http://{host}:9999/hook")


@pytest.mark.parametrize("host", ["93.184.215.14", "[2606:2800:21f::1]", "[::ffff:93.184.215.14]"])
def test_public_addresses_may_be_reached(host):
    assert addresses_of(f"https://{host}/hook") != []


def test_a_name_that_leads_to_a_private_address_is_refused(names):
    names["hooks.example.org"] = ["10.0.0.1"]
    with pytest.raises(RefusedAddress, match=r"hooks\.example\.org leads to 10\.0\.0\.1"):
        addresses_of("https://hooks.example.org/")


def test_one_private_address_among_public_ones_is_refused(names):
    names["hooks.example.org"] = ["93.184.215.14", "169.254.169.254"]
    with pytest.raises(RefusedAddress):
        addresses_of("https://hooks.example.org/")


def test_a_name_that_does_not_exist_is_refused(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: (_ for _ in ()).throw(socket.gaierror()))
    with pytest.raises(RefusedAddress, match="no host named"):
        addresses_of("https://nowhere.example.org/")


def test_networks_that_the_setting_names_may_be_reached(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = [ip_network("10.1.0.0/16")]
    assert addresses_of("http://10.1.2.3/hook") == ["10.1.2.3"]
    assert len(addresses_of("http://[::ffff:10.1.2.3]/hook")) == 1
    with pytest.raises(RefusedAddress):
        addresses_of("http://10.2.0.1/hook")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "me.example.org"])
@pytest.mark.parametrize("port", [8000, 8080, 8081])
def test_portal_and_gateway_are_refused_even_in_an_allowed_network(settings, names, host, port):
    settings.WEBHOOK_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8"), ip_network("::1/128")]
    names["me.example.org"] = ["127.0.0.1"]
    with pytest.raises(RefusedAddress, match="this portal or its gateway"):
        addresses_of(f"http://{host}:{port}/hook")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        pytest.param("hooks.example.org", "absolute URL", id="no scheme"),
        pytest.param("ftp://hooks.example.org/", "absolute URL", id="another scheme"),
        pytest.param("https:///hook", "absolute URL", id="no host"),
        pytest.param("http://hooks.example.org/", "allow http", id="no encryption"),
        pytest.param("https://me:secret@hooks.example.org/", "user name", id="credentials"),
        pytest.param("https://hooks.example.org/#a", "fragment", id="fragment"),
        pytest.param("https://hooks.example.org:22/", "port", id="a port of the system"),
        pytest.param("https://hooks.example.org:99999/", "not a URL", id="no such port"),
        pytest.param("https://hooks.example.org/a\r\nHost: b", "percent-encoded", id="line break"),
        pytest.param("https://hööks.example.org/", "punycode", id="other than ASCII"),
        pytest.param("https://[::1/", "not a URL", id="broken brackets"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_with_the_reason(url, problem):
    with pytest.raises(ValidationError, match=problem):
        target_of(url, allows_http=False)


def test_the_query_is_kept():
    assert target_of("https://hooks.example.org?a=b", allows_http=False).path == "/?a=b"


def test_the_connection_goes_to_the_address_that_was_checked(settings, monkeypatch, receiver):
    """A name that leads elsewhere when it is asked again gains nothing: it is asked once."""
    settings.WEBHOOK_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    port = receiver.server.server_address[1]
    asked, real = [], socket.getaddrinfo

    def look_up(host, port, *arguments, **options):
        if host == "rebinding.example.org":
            asked.append(host)
            host = "127.0.0.1" if len(asked) == 1 else "127.0.0.2"
        return real(host, port, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    outcome = post(Message(f"http://rebinding.example.org:{port}/hook", True, {}, b"{}"), None)
    assert (outcome.status, asked) == (204, ["rebinding.example.org"])
    assert receiver.requests[0][1]["host"] == f"rebinding.example.org:{port}"


def test_a_redirect_is_not_followed(settings, receiver):
    settings.WEBHOOK_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    receiver.answer(302, Location="http://169.254.169.254/latest/meta-data/")
    outcome = post(Message(receiver.url, True, {}, b"{}"), None)
    assert (outcome.status, outcome.is_success, len(receiver.requests)) == (302, False, 1)
