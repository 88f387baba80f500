"""What answers of deprecated APIs and operations say, and that the others say nothing."""

import msgspec
import pytest

from gateway.configuration.snapshot import Deprecation
from tests.gateway.conftest import echo_snapshot
from tests.gateway.raw import Response

KEY = b"Ocp-Apim-Subscription-Key: K1\r\n"
ORIGIN = b"Origin: https://app.test\r\n"
OLD = Deprecation(1735689600, 1798761599, "https://api.test/new", "https://www.test/moving?to=new")
OLD_LINKS = [
    b'<https://www.test/moving?to=new>; rel="deprecation"',
    b'<https://api.test/new>; rel="successor-version"',
]


def call(method: bytes = b"GET", target: bytes = b"/echo/q", lines: bytes = KEY) -> bytes:
    return method + b" " + target + b" HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n"


def told(answer: Response) -> tuple[list[bytes], list[bytes], list[bytes]]:
    return answer.all("Deprecation"), answer.all("Sunset"), answer.all("Link")


@pytest.fixture(scope="module")
def module_gateway(start_gateway, session_backend):
    """`echo` is deprecated, and its DELETE earlier; of `part` only GET is, `sooner` says no more than since when."""
    url = f"http://127.0.0.1:{session_backend.port}/base"
    snapshot = echo_snapshot(url, part=url, sooner=url, plain=url)
    of_apis = {"echo": OLD, "sooner": Deprecation(4102444800)}
    of_operations = {("echo", "DELETE"): Deprecation(1704067200, 1767225600), ("part", "GET"): Deprecation(1704067200)}
    apis = tuple(
        msgspec.structs.replace(
            api,
            deprecation=of_apis.get(api.path),
            cors_origins=("https://app.test",),
            operations=tuple(
                msgspec.structs.replace(one, deprecation=of_operations.get((api.path, one.method)))
                for one in api.operations
            ),
        )
        for api in snapshot.apis
    )
    return start_gateway(msgspec.structs.replace(snapshot, apis=apis))


@pytest.fixture
def client(module_gateway, backend):
    yield module_gateway.connect()
    module_gateway.hang_up()


def test_answers_of_a_deprecated_api_say_so_and_until_when_and_where_to_go(client):
    for _ in range(2):
        answer = client.ask(call())
        assert answer.status == 200
        assert told(answer) == ([b"@1735689600"], [b"Thu, 31 Dec 2026 23:59:59 GMT"], OLD_LINKS)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(call(lines=b""), 401, id="no key"),
        pytest.param(call(b"NONE"), 404, id="no operation"),
        pytest.param(call(b"POST", lines=KEY + b"Content-Length: 9999999999\r\n"), 413, id="too large a body"),
    ],
)
def test_the_gateways_own_answers_say_it_too(request_, status, client):
    answer = client.ask(request_)
    assert (answer.status, *told(answer)) == (status, [b"@1735689600"], [b"Thu, 31 Dec 2026 23:59:59 GMT"], OLD_LINKS)


def test_what_is_said_of_an_operation_goes_before_what_is_said_of_its_api(client):
    answer = client.ask(call(b"DELETE"))
    assert told(answer) == ([b"@1704067200"], [b"Thu, 01 Jan 2026 00:00:00 GMT"], [])
    assert told(client.ask(call(target=b"/part/q"))) == ([b"@1704067200"], [], [])


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(call(b"POST", b"/part/q"), id="another operation"),
        pytest.param(call(target=b"/plain/q"), id="another API"),
        pytest.param(call(target=b"/none/q"), id="no API"),
    ],
)
def test_other_answers_say_nothing_of_it(request_, client):
    assert told(client.ask(request_)) == ([], [], [])


def test_the_publishers_word_replaces_the_backends_and_links_stay_beside_it(client, backend):
    backend.answer_with(
        b"HTTP/1.1 200 OK\r\ndeprecation: @1\r\nSUNSET: Sat, 01 Jan 2022 00:00:00 GMT\r\n"
        b'Link: </q?page=2>; rel="next"\r\nX-Deprecation: kept\r\nContent-Length: 2\r\n\r\nok'
    )
    answer = client.ask(call())
    assert told(answer) == (
        [b"@1735689600"],
        [b"Thu, 31 Dec 2026 23:59:59 GMT"],
        [b'</q?page=2>; rel="next"', *OLD_LINKS],
    )
    assert (answer.header("X-Deprecation"), answer.body) == (b"kept", b"ok")
    silent = client.ask(call(target=b"/sooner/q"))
    assert told(silent)[:2] == ([b"@4102444800"], [b"Sat, 01 Jan 2022 00:00:00 GMT"])
    assert told(client.ask(call(target=b"/plain/q")))[:2] == ([b"@1"], [b"Sat, 01 Jan 2022 00:00:00 GMT"])


def test_pages_may_read_it(client):
    answer = client.ask(call(lines=KEY + ORIGIN))
    exposed = b", ".join(answer.all("Access-Control-Expose-Headers")).split(b", ")
    assert {b"Deprecation", b"Sunset", b"Link"} <= set(exposed)
    assert told(answer)[0] == [b"@1735689600"]


def test_after_the_sunset_calls_are_served_as_before(client):
    answer = client.ask(call(b"DELETE", lines=KEY))
    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.header("Sunset") == b"Thu, 01 Jan 2026 00:00:00 GMT"


def test_a_change_of_it_is_told_while_the_gateway_serves(start_gateway, backend):
    gateway = start_gateway()
    snapshot = echo_snapshot(f"http://127.0.0.1:{backend.port}/base")
    assert told(gateway.ask(call())) == ([], [], [])
    (api,) = snapshot.apis
    gateway.reconfigure(msgspec.structs.replace(snapshot, apis=(msgspec.structs.replace(api, deprecation=OLD),)))
    assert told(gateway.ask(call()))[0] == [b"@1735689600"]
    gateway.hang_up()
