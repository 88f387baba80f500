"""No spelling of a path leads to an API that the key does not open."""

import posixpath
from urllib.parse import unquote

import msgspec
import pytest

from gateway.configuration.snapshot import Product
from tests.gateway.conftest import echo_snapshot

KEY = b"Ocp-Apim-Subscription-Key: K1\r\n"


@pytest.fixture(scope="module")
def module_gateway(start_gateway, session_backend):
    """K1 opens `open` only; both APIs lie side by side on one backend."""
    url = f"http://127.0.0.1:{session_backend.port}/base"
    snapshot = echo_snapshot(url, open=url + "/open", secret=url + "/secret")
    apis = snapshot.apis[1:]
    products = (Product(1, (apis[0].id,)), *snapshot.products[1:])
    return start_gateway(msgspec.structs.replace(snapshot, apis=apis, products=products))


@pytest.fixture
def gateway(module_gateway, backend):
    yield module_gateway
    module_gateway.hang_up()


def readings(target: str) -> set[str]:
    """Where a backend might take it to lie that decodes once or twice, merges slashes and resolves dots."""
    found = set()
    path = target.partition("?")[0]
    for _ in range(3):
        for plain in (path, path.replace("\\", "/"), path.replace("\\", "/").replace(";", "/;")):
            segments = [segment.partition(";")[0] for segment in plain.split("/")]
            found.add(posixpath.normpath("/".join(segments).replace("//", "/")))
        path = unquote(path)
    return found


@pytest.mark.parametrize(
    "path",
    [
        "/open/../secret/x",
        "/open/./../secret/x",
        "/open/a/../../secret/x",
        "//secret/x",
        "/open//../secret/x",
        "/open/%2e%2e/secret/x",
        "/open/%2E%2E/secret/x",
        "/open/.%2e/secret/x",
        "/open/..%2Fsecret/x",
        "/open/..%2fsecret/x",
        "/open%2F..%2Fsecret/x",
        "/open/..%5Csecret/x",
        "/open/%2e%2e%5csecret/x",
        "/open/..;/secret/x",
        "/open/..;a=b/secret/x",
        "/open/%2e%2e;/secret/x",
        "/open/x%00/../secret",
        "/open%00/secret/x",
        "/open/\\..\\secret/x",
        "/secret/x",
        "/SECRET/x",
        "/%73ecret/x",
        "/%53ECRET/x",
        "/secret/./x",
        "/secret%2Fx",
        "/open/%252e%252e/secret/x",
        "/open/%25%32%65%25%32%65/secret/x",
        "/open/..%3F/../secret/x",
        "http://a/secret/x",
        "http://a/open/../secret/x",
    ],
)
def test_a_path_never_leads_out_of_what_the_key_opens(path, gateway, backend):
    client = gateway.connect()
    answer = client.ask(b"GET " + path.encode() + b" HTTP/1.1\r\nHost: a\r\n" + KEY + b"\r\n")
    assert answer.status in (400, 401, 404)
    assert backend.requests == []


@pytest.mark.parametrize(
    "path", ["/open/a//b", "/open/a%2Fb", "/open/%41", "/open/a;b", "/open/a..b", "/open/%25", "/OPEN/x"]
)
def test_what_passes_stays_within_its_api_however_it_is_read(path, gateway, backend):
    client = gateway.connect()
    assert client.ask(b"GET " + path.encode() + b" HTTP/1.1\r\nHost: a\r\n" + KEY + b"\r\n").status == 200
    target = backend.requests[0].split(b" ")[1].decode()
    assert all(reading.startswith("/base/open/") for reading in readings(target)), readings(target)


@pytest.mark.parametrize("path", ["/open/%2541/%20/%C3%A5", "/open/C%23/Who%3F"])
def test_nothing_is_decoded_on_the_way(path, gateway, backend):
    client = gateway.connect()
    assert client.ask(b"GET " + path.encode() + b" HTTP/1.1\r\nHost: a\r\n" + KEY + b"\r\n").status == 200
    assert backend.requests[0].startswith(b"GET /base" + path.encode() + b" HTTP/1.1\r\n")


def test_an_encoded_slash_in_a_parameter_is_refused_unless_the_api_lets_it_pass(start_gateway, backend):
    url = f"http://127.0.0.1:{backend.port}"
    base = echo_snapshot(url, strict=url, objects=url)
    operations = tuple(msgspec.structs.replace(one, url_template="/o/{id}") for one in base.apis[1].operations)
    strict = msgspec.structs.replace(base.apis[1], operations=operations)
    operations = tuple(msgspec.structs.replace(one, id=one.id + 100) for one in operations)
    objects = msgspec.structs.replace(base.apis[2], operations=operations, allow_encoded_slashes=True)
    gateway = start_gateway(msgspec.structs.replace(base, apis=(base.apis[0], strict, objects)))

    def ask(path):
        return gateway.connect().ask(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n" + KEY + b"\r\n")

    refused = ask(b"/strict/o/a%2Fb")
    assert (refused.status, b"encoded slash" in refused.body, backend.requests) == (400, True, [])
    assert ask(b"/objects/o/a%2Fb").status == 200
    assert backend.requests[0].startswith(b"GET /o/a%2Fb HTTP/1.1\r\n")
    assert ask(b"/objects/o/a%2F..%2Fb").status == 404
