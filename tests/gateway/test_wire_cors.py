"""Browsers: preflights, and what answers say of the origins that may read them."""

import msgspec
import pytest

from gateway.configuration.snapshot import Operation, Snapshot
from tests.gateway.conftest import echo_snapshot, free_port
from tests.gateway.raw import OK, Client, Response

KEY = b"Ocp-Apim-Subscription-Key: K1\r\n"
ORIGIN = b"Origin: https://app.test\r\n"
STRANGER = b"Origin: https://mallory.test\r\n"
ASKING = b"Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: ocp-apim-subscription-key, x-a\r\n"


def call(method: bytes, target: bytes = b"/echo/q", *lines: bytes) -> bytes:
    return method + b" " + target + b" HTTP/1.1\r\nHost: a\r\n" + b"".join(lines) + b"\r\n"


def snapshot_of(backend_port: int) -> Snapshot:
    """`echo` lists an origin, `all` every one, `plain` none, `own` answers OPTIONS itself; `down` has no backend.

    `hasty` waits for an answer for a moment only.
    """
    url = f"http://127.0.0.1:{backend_port}/base"
    snapshot = echo_snapshot(url, all=url, plain=url, own=url, down=f"http://127.0.0.1:{free_port()}/", hasty=url)
    origins = {"all": ("*",), "plain": ()}
    apis = tuple(
        msgspec.structs.replace(
            api,
            cors_origins=origins.get(api.path, ("https://app.test", "http://localhost:3000")),
            backend_seconds=0.5 if api.path == "hasty" else None,
            operations=tuple(
                operation for operation in api.operations if operation.method != "OPTIONS" or api.path == "own"
            ),
        )
        for api in snapshot.apis
    )
    return msgspec.structs.replace(snapshot, apis=apis)


@pytest.fixture(scope="module")
def module_gateway(start_gateway, session_backend):
    return start_gateway(snapshot_of(session_backend.port))


@pytest.fixture
def gateway(module_gateway, backend):
    yield module_gateway
    module_gateway.hang_up()


@pytest.fixture
def client(gateway) -> Client:
    return gateway.connect()


def allowed(answer: Response) -> list[tuple[bytes, bytes]]:
    """What it says to the page."""
    return [(name, value) for name, value in answer.headers if name.lower().startswith(b"access-control-")]


def test_a_preflight_is_answered_without_a_key(client, gateway, backend):
    answer = client.ask(call(b"OPTIONS", b"/echo/preflight", ORIGIN, ASKING))
    assert (answer.status, answer.body) == (200, b"")
    assert allowed(answer) == [
        (b"Access-Control-Allow-Methods", b"GET"),
        (b"Access-Control-Allow-Headers", b"ocp-apim-subscription-key, x-a"),
        (b"Access-Control-Max-Age", b"600"),
        (b"Access-Control-Allow-Origin", b"https://app.test"),
        (
            b"Access-Control-Expose-Headers",
            b"X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, Deprecation, Sunset, Link",
        ),
    ]
    assert answer.all("Vary") == [b"Origin"]
    assert answer.header("Content-Type") is None
    assert client.ask(call(b"GET", b"/echo/preflight", ORIGIN, KEY)).status == 200
    assert len(backend.requests) == 1
    record = gateway.records()[-2]
    assert (record.method, record.response_code, record.subscription, record.error_reason) == (
        b"OPTIONS",
        200,
        None,
        "",
    )


def test_a_preflight_of_a_stranger_is_an_empty_200(client, backend):
    answer = client.ask(call(b"OPTIONS", b"/echo/q", STRANGER, ASKING))
    assert (answer.status, answer.body, allowed(answer)) == (200, b"", [])
    assert backend.requests == []


def test_every_origin_may_where_all_are_listed(client):
    for origin in (STRANGER, b"Origin: null\r\n"):
        answer = client.ask(call(b"OPTIONS", b"/all/q", origin, ASKING))
        assert answer.header("Access-Control-Allow-Origin") == b"*"
        assert client.ask(call(b"GET", b"/all/q", origin, KEY)).header("Access-Control-Allow-Origin") == b"*"


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(call(b"OPTIONS", b"/echo/q", ASKING), id="no Origin"),
        pytest.param(call(b"OPTIONS", b"/echo/q", ORIGIN), id="asks for no method"),
        pytest.param(call(b"OPTIONS", b"/echo/q", ORIGIN, ASKING, ASKING), id="asks for two methods"),
        pytest.param(call(b"OPTIONS", b"/echo/q", ORIGIN, ASKING.replace(b"GET", b"NONE")), id="no operation"),
        pytest.param(call(b"OPTIONS", b"/none/q", ORIGIN, ASKING), id="no API"),
        pytest.param(call(b"OPTIONS", b"/plain/q", ORIGIN, ASKING), id="an API that lists no origins"),
        pytest.param(call(b"OPTIONS", b"/echo/../q", ORIGIN, ASKING), id="a path that climbs"),
    ],
)
def test_what_is_no_preflight_of_an_operation_is_answered_as_ever(request_, client, backend):
    answer = client.ask(request_)
    assert answer.status == 404
    assert answer.header("Access-Control-Allow-Methods") is None
    assert backend.requests == []


def test_an_operation_that_answers_options_goes_before(client, backend):
    assert client.ask(call(b"OPTIONS", b"/own/q", ORIGIN, ASKING)).status == 401
    backend.answer_with(b"HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Methods: PUT\r\nAllow: GET\r\n\r\n")
    answer = client.ask(call(b"OPTIONS", b"/own/q", ORIGIN, ASKING, KEY))
    assert (answer.status, answer.header("Allow")) == (204, b"GET")


@pytest.mark.parametrize("names", [b'"', b"a;b", b"\xc3\xa4"])
def test_header_names_that_are_none_are_not_repeated(names, client):
    asking = b"Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: " + names + b"\r\n"
    answer = client.ask(call(b"OPTIONS", b"/echo/q", ORIGIN, asking))
    assert answer.header("Access-Control-Allow-Headers") is None


def test_preflights_count_neither_towards_a_rate_nor_a_quota(start_gateway, backend):
    gateway = start_gateway(snapshot_of(backend.port))
    client = gateway.connect()
    for key in (b"K2", b"K3"):
        key_line = b"Ocp-Apim-Subscription-Key: " + key + b"\r\n"
        for _ in range(5):
            assert client.ask(call(b"OPTIONS", b"/echo/q", ORIGIN, ASKING, key_line)).status == 200
        assert [client.ask(call(b"GET", b"/echo/q", key_line)).status for _ in range(2)] == [200, 200]
        refused = client.ask(call(b"GET", b"/echo/q", ORIGIN, key_line))
        assert refused.status in (403, 429)
        assert refused.header("Access-Control-Allow-Origin") == b"https://app.test"
    gateway.hang_up()


@pytest.mark.parametrize(
    ("request_", "answer", "status"),
    [
        pytest.param(call(b"GET", b"/echo/q", ORIGIN, KEY), OK, 200, id="the backend's answer"),
        pytest.param(call(b"GET", b"/echo/q", ORIGIN), OK, 401, id="no key"),
        pytest.param(call(b"NONE", b"/echo/q", ORIGIN, KEY), OK, 404, id="no operation"),
        pytest.param(call(b"GET", b"/down/q", ORIGIN, KEY), OK, 502, id="no backend"),
        pytest.param(call(b"GET", b"/hasty/q", ORIGIN, KEY), b"", 504, id="no answer"),
        pytest.param(call(b"GET", b"/echo/q", ORIGIN, KEY), b"garbage\r\n\r\n", 502, id="garbage"),
        pytest.param(
            call(b"POST", b"/echo/q", ORIGIN, KEY, b"Content-Length: 9999999999\r\n"), OK, 413, id="too large a body"
        ),
    ],
)
def test_every_answer_of_an_api_says_that_the_origin_may_read_it(request_, answer, status, client, backend):
    backend.answer = answer
    got = client.ask(request_)
    assert got.status == status
    assert got.all("Access-Control-Allow-Origin") == [b"https://app.test"]
    assert b"Retry-After" in got.header("Access-Control-Expose-Headers")
    assert got.all("Vary") == [b"Origin"]


def test_what_the_backend_says_of_origins_is_replaced_but_for_what_it_exposes(client, backend):
    own = (
        b"access-control-allow-origin: *\r\nAccess-Control-Allow-Credentials: true\r\n"
        b"Access-Control-Expose-Headers: X-Total\r\nVary: Accept\r\n"
    )
    backend.answer_with(b"HTTP/1.1 200 OK\r\n" + own + b"Content-Length: 2\r\n\r\nok")
    for _ in range(2):
        answer = client.ask(call(b"GET", b"/echo/q", ORIGIN, KEY))
        assert answer.all("Access-Control-Allow-Origin") == [b"https://app.test"]
        assert answer.header("Access-Control-Allow-Credentials") is None
        assert answer.all("Access-Control-Expose-Headers")[0] == b"X-Total"
        assert answer.all("Vary") == [b"Accept", b"Origin"]
        assert answer.body == b"ok"
    for request_ in (call(b"GET", b"/echo/q", STRANGER, KEY), call(b"GET", b"/plain/q", ORIGIN, KEY)):
        answer = client.ask(request_)
        assert answer.all("Access-Control-Allow-Origin") == [b"*"]
        assert answer.all("Access-Control-Expose-Headers") == [b"X-Total"]


@pytest.mark.parametrize(
    ("lines", "vary"),
    [
        pytest.param(b"", [b"Origin"], id="no origin"),
        pytest.param(STRANGER, [b"Origin"], id="a stranger"),
        pytest.param(ORIGIN + ORIGIN, [b"Origin"], id="two origins"),
        pytest.param(b"Origin: https://app.test.mallory.test\r\n", [b"Origin"], id="a longer one"),
        pytest.param(b"Origin: http://app.test\r\n", [b"Origin"], id="another scheme"),
    ],
)
def test_an_origin_that_is_not_listed_is_not_allowed_and_caches_are_told(lines, vary, client):
    answer = client.ask(call(b"GET", b"/echo/q", lines, KEY))
    assert (answer.status, allowed(answer), answer.all("Vary")) == (200, [], vary)


def test_an_api_that_lists_no_origins_says_nothing_of_them(client):
    answer = client.ask(call(b"GET", b"/plain/q", ORIGIN, KEY))
    assert (answer.status, allowed(answer), answer.all("Vary")) == (200, [], [])


def test_the_path_decides_which_api_is_asked_about(start_gateway, backend):
    """An operation of one method does not let a preflight for another one through."""
    snapshot = echo_snapshot(f"http://127.0.0.1:{backend.port}")
    operations = (Operation(1, "GET", "/items/{id}"), Operation(2, "DELETE", "/items/{id}/lock"))
    api = msgspec.structs.replace(snapshot.apis[0], operations=operations, cors_origins=("https://app.test",))
    gateway = start_gateway(msgspec.structs.replace(snapshot, apis=(api,)))
    for method, target, status in ((b"GET", b"/items/1", 200), (b"DELETE", b"/items/1", 404), (b"GET", b"/", 404)):
        asking = b"Access-Control-Request-Method: " + method + b"\r\n"
        assert gateway.ask(call(b"OPTIONS", b"/echo" + target, ORIGIN, asking)).status == status
    gateway.hang_up()
