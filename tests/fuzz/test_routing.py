"""Routing against a slow search: decode each segment once, try every operation, take the best."""

import re
from urllib.parse import unquote_to_bytes

from hypothesis import assume, event, given
from hypothesis import strategies as st

from gateway.catalogue.routing import Catalogue, CatalogueError, Malformed, NotFound, Route, find
from tests.gateway.snapshots import api, catalogue

LITERALS = ["a", "A", "%61", "b", "admin", "%2e%2e", "a%2Fb", "%2561", "", ";a", "a+b", "a%20b"]
SEGMENTS = st.sampled_from([*LITERALS, "{x}", "{y}"])
ENDS = st.sampled_from([[], ["*"], ["{*rest}"]])
QUERIES = st.sampled_from(["", "", "?v=1", "?v={v}", "?v=1&w={w}", "?%76=%31"])
TEMPLATES = st.builds(
    lambda segments, end, query: "/" + "/".join([*segments, *end]) + query,
    st.lists(SEGMENTS, max_size=3),
    ENDS,
    QUERIES,
)
SUFFIXES = ["", "a", "a/b", "%61", "admin"]
SERVICES = st.lists(st.tuples(st.sampled_from(SUFFIXES), st.lists(TEMPLATES, max_size=6)), min_size=1, max_size=3)
PIECES = [
    *(
        "a",
        "A",
        "b",
        "admin",
        "ADMIN",
        "%61",
        "%41",
        "%2561",
        "%252e",
        "%2e",
        "%2E",
        ".",
        "..",
        "%2f",
        "%2F",
        "%5c",
        "\\",
        ";",
    ),
    *(
        "/",
        "/",
        "/",
        "//",
        "+",
        "%20",
        "%00",
        "%",
        "%zz",
        "x",
        "?",
        "?",
        "&",
        "=",
        "v=1",
        "v=2",
        "w=",
        "%76=1",
        "subscription-key=K1",
    ),
    *("Subscription-Key=K1", "%73ubscription-key=K1", "#", " ", "\xe4"),
]
TARGETS = st.lists(st.sampled_from(PIECES), max_size=10).map(lambda pieces: "/" + "".join(pieces))


def served(services: list[tuple[str, list[str]]]) -> Catalogue | None:
    apis = [
        api(number, path, *(f"GET {template}" for template in templates))
        for number, (path, templates) in enumerate(services)
    ]
    try:
        return catalogue(*apis)
    except CatalogueError:
        return None


def segments_of(path: str) -> list[bytes]:
    return [unquote_to_bytes(segment).lower() for segment in path.split("/")]


def matches(template: str, segments: list[bytes], query: str) -> bool:
    path, _, wanted = template.partition("?")
    parts = path[1:].split("/")
    if parts[-1].startswith(("*", "{*")):
        parts.pop()
        if len(segments) < len(parts) or (len(segments) == len(parts) == 0):
            return not parts
        segments = segments[: len(parts)]
    if len(parts) != len(segments):
        return False
    for part, segment in zip(parts, segments, strict=True):
        if segment == b"" if part.startswith("{") else unquote_to_bytes(part).lower() != segment:
            return False
    given = [tuple(map(unquote_to_bytes, text.partition("=")[::2])) for text in query.split("&")]
    for text in wanted.split("&") if wanted else ():
        name, value = text.split("=")
        expected = None if value.startswith("{") else unquote_to_bytes(value)
        if not any(one == unquote_to_bytes(name) and expected in (None, found) for one, found in given):
            return False
    return True


@given(SERVICES, TARGETS)
def test_an_operation_is_found_where_a_slow_search_finds_one(services, target):
    catalogue = served(services)
    if catalogue is None:
        return
    found = find(catalogue, b"GET", target.encode("latin-1"))
    event(type(found).__name__)
    path, _, query = target.partition("?")
    if isinstance(found, Malformed) or (isinstance(found, NotFound) and found.api is None and climbs(path)):
        return
    assert not climbs(path)
    segments = segments_of(path)[1:]
    suffixes = {tuple(suffix.lower().encode().split(b"/") if suffix else ()): suffix for suffix, _ in services}
    fitting = [suffix for suffix in suffixes if tuple(segments[: len(suffix)]) == suffix]
    if not fitting:
        assert isinstance(found, NotFound)
        return
    longest = max(fitting, key=len)
    number = next(number for number, (suffix, _) in enumerate(services) if suffix == suffixes[longest])
    rest = segments[len(longest) :] or [b""]
    good = {index for index, template in enumerate(services[number][1], 1) if matches(template, rest, query)}
    if isinstance(found, Route):
        assert found.api.id == number
        assert found.operation in good
    else:
        assert good == set()


def climbs(path: str) -> bool:
    """Whether a reader that decodes once, and takes either slash, finds a dot segment."""
    segments = re.split(rb"[/\\]", unquote_to_bytes(path))
    return any(segment.split(b";")[0] in (b".", b"..") for segment in segments)


@given(SERVICES, TARGETS)
def test_what_goes_on_is_what_came_without_the_key(services, target):
    catalogue = served(services)
    route = find(catalogue, b"GET", target.encode("latin-1")) if catalogue is not None else None
    if not isinstance(route, Route):
        return
    path, _, query = target.partition("?")
    is_key = re.compile(r"(?i)(?:%73|s)ubscription-key(?:=|$)")
    kept = "&".join(part for part in query.split("&") if not is_key.match(part))
    assume("K1" not in kept)  # In a parameter of another name it is no key, and passes.
    suffix = route.api.path.decode()
    rest = "/" + path.split("/", suffix.count("/") + 2)[-1] if suffix else path
    if suffix and path.count("/") == suffix.count("/") + 1:
        rest = ""
    assert b"K1" not in route.target.partition(b"?")[2] + route.url.partition(b"?")[2]
    assert route.url.decode("latin-1").rstrip("?") == (path + ("?" + kept if kept else "")).rstrip("?")
    assert route.target.decode("latin-1").rstrip("?") == ("/base" + rest + ("?" + kept if kept else "")).rstrip("?")


@given(SERVICES, TARGETS)
def test_the_second_look_finds_the_same(services, target):
    catalogue = served(services)
    if catalogue is not None:
        first = find(catalogue, b"GET", target.encode("latin-1"))
        assert find(catalogue, b"GET", target.encode("latin-1")) == first
