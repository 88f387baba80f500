"""From method and target to an operation, and to the target that its backend gets."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalogue.routing import REMEMBERED_ROUTES, CatalogueError, Malformed, NotFound, Route, find
from tests.gateway.snapshots import api, catalogue

EXECUTE = "POST /workspaces/{workspace}/services/{service}/execute?api-version={apiversion}&details={details}"


def operation_at(served, method, target):
    found = find(served, method, target)
    return found.operation if isinstance(found, Route) else None


@pytest.mark.parametrize(
    ("templates", "path", "operation"),
    [
        pytest.param(["GET /files"], b"/echo/files", 1, id="a literal"),
        pytest.param(["GET /Files"], b"/ECHO/fILES", 1, id="case does not matter"),
        pytest.param(["GET /files"], b"/echo/files/", None, id="a trailing slash is a segment"),
        pytest.param(["GET /files"], b"/echo//files", None, id="a double slash is a segment"),
        pytest.param(["GET /files"], b"//echo/files", None, id="a double slash before the suffix"),
        pytest.param(["GET /files/"], b"/echo/files/", 1, id="a template with a trailing slash"),
        pytest.param(["GET /files/"], b"/echo/files", None, id="a template with a trailing slash needs it"),
        pytest.param(["GET /a//b"], b"/echo/a//b", 1, id="a template with an empty segment"),
        pytest.param(["GET /"], b"/echo", 1, id="the root without a slash"),
        pytest.param(["GET /"], b"/echo/", 1, id="the root with a slash"),
        pytest.param(["GET /"], b"/echo//", None, id="the root with two slashes"),
        pytest.param(["GET /a/{x}"], b"/echo/a/7", 1, id="a parameter"),
        pytest.param(["GET /a/{x}"], b"/echo/a/", None, id="a parameter is not empty"),
        pytest.param(["GET /a/{x}"], b"/echo/a/b/c", None, id="a parameter is one segment"),
        pytest.param(["GET /a/{x}"], b"/echo/a/b%20c%C3%A5%252", 1, id="an encoded parameter"),
        pytest.param(["GET /*"], b"/echo", 1, id="a wildcard covers nothing"),
        pytest.param(["GET /*"], b"/echo/", 1, id="a wildcard covers the root"),
        pytest.param(["GET /*"], b"/echo/a//b/c", 1, id="a wildcard covers the rest"),
        pytest.param(["GET /f/{*rest}"], b"/echo/f/a/b", 1, id="a named wildcard"),
        pytest.param(["GET /f/{*rest}"], b"/echo/g/a/b", None, id="a wildcard after another literal"),
        pytest.param(["GET /a/{x}", "GET /a/b", "GET /*"], b"/echo/a/b", 2, id="the literal wins"),
        pytest.param(["GET /a/{x}", "GET /a/b", "GET /*"], b"/echo/a/c", 1, id="the parameter wins"),
        pytest.param(["GET /a/{x}", "GET /a/b", "GET /*"], b"/echo/z", 3, id="the wildcard is last"),
        pytest.param(["GET /a/b/c", "GET /{x}/b/d"], b"/echo/a/b/d", 2, id="another way is tried"),
        pytest.param(["GET /a/b/c", "GET /a/*"], b"/echo/a/b/d", 2, id="a wildcard further up is tried"),
        pytest.param(["GET /{x}/b", "GET /a/{y}"], b"/echo/a/b", 2, id="the first literal decides"),
        pytest.param(["GET /admin", "GET /{x}"], b"/echo/%61dmin", 1, id="encoding hides no literal"),
        pytest.param(["GET /s%C3%A5k"], b"/echo/s%c3%a5k", 1, id="an encoded literal"),
        pytest.param(["GET /{x}"], b"/echo/%2541", 1, id="nothing is decoded twice"),
        pytest.param(["POST /a"], b"/echo/a", None, id="another method"),
        pytest.param(["get /a"], b"/echo/a", None, id="methods are case-sensitive"),
    ],
)
def test_a_path_finds_its_operation(templates, path, operation):
    assert operation_at(catalogue(api(1, "echo", *templates)), b"GET", path) == operation


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param(b"?api-version=2.0&details=true", True, id="in order"),
        pytest.param(b"?details=true&api-version=2.0", True, id="in any order"),
        pytest.param(b"?x=1&api-version=2.0&y=2&details=true", True, id="with others"),
        pytest.param(b"?api%2Dversion=2.0&details=", True, id="encoded, and with an empty value"),
        pytest.param(b"?api-version=2.0", False, id="one is missing"),
        pytest.param(b"?API-VERSION=2.0&details=true", False, id="names are case-sensitive"),
        pytest.param(b"", False, id="no query"),
    ],
)
def test_query_parameters_of_a_template_are_required(query, found):
    served = catalogue(api(1, "azureml-demo", EXECUTE))
    target = b"/azureml-demo/workspaces/w/services/s/execute" + query
    route = find(served, b"POST", target)
    assert isinstance(route, Route) == found
    assert not found or route.target == target.replace(b"/azureml-demo", b"/base")


@pytest.mark.parametrize(
    ("query", "operation"),
    [
        (b"?b=1&a=1", 3),
        (b"?a=1", 2),
        (b"?a=x", 4),
        (b"?a=x&b=1", 3),
        (b"?b=1", 1),
        (b"", 1),
    ],
)
def test_of_one_path_the_template_with_most_query_parts_wins(query, operation):
    templates = ["GET /q", "GET /q?a={a}", "GET /q?a={a}&b={b}", "GET /q?a=x"]
    assert operation_at(catalogue(api(1, "echo", *templates)), b"GET", b"/echo/q" + query) == operation


def test_a_template_whose_query_is_missing_leaves_the_call_to_a_parameter():
    served = catalogue(api(1, "echo", "GET /a/b?q={q}", "GET /a/{x}"))
    assert operation_at(served, b"GET", b"/echo/a/b") == 2
    assert operation_at(served, b"GET", b"/echo/a/b?q=1") == 1


@pytest.mark.parametrize(
    ("path", "called"),
    [
        (b"/shop/x", 2),
        (b"/shop/v1/x", 3),
        (b"/SHOP/V1/x", 3),
        (b"/sh%6Fp/x", 2),
        (b"/shopping/x", 1),
        (b"/other/v1/x", 1),
    ],
)
def test_the_longest_suffix_is_called(path, called):
    served = catalogue(*(api(number, path, "GET /*") for number, path in enumerate(["", "shop", "Shop/v1"], 1)))
    assert find(served, b"GET", path).api.id == called


def test_an_api_without_the_operation_does_not_leave_the_call_to_another():
    served = catalogue(api(1, "", "GET /*"), api(2, "shop", "GET /a"))
    found = find(served, b"GET", b"/shop/b")
    assert isinstance(found, NotFound)
    assert found.api.id == 2


@pytest.mark.parametrize(
    ("service_url", "path", "target"),
    [
        ("http://b", b"/echo/files", b"/files"),
        ("http://b/", b"/echo/files", b"/files"),
        ("http://b/base", b"/echo/files?a=1+2&b=1%2B2&c=1%202", b"/base/files?a=1+2&b=1%2B2&c=1%202"),
        ("http://b/base/", b"/echo/files", b"/base/files"),
        ("http://b/base//", b"/echo/files", b"/base//files"),
        ("http://b", b"/echo", b"/"),
        ("http://b/base", b"/echo", b"/base"),
        ("http://b/base/", b"/echo", b"/base/"),
        ("http://b/base", b"/echo/", b"/base/"),
        ("http://b/base", b"/echo?", b"/base?"),
        ("http://b/base", b"/ECHO/S%C3%A5k/%80%81//x;y=1", b"/base/S%C3%A5k/%80%81//x;y=1"),
    ],
)
def test_the_backend_gets_the_rest_of_the_target_as_it_came(service_url, path, target):
    served = catalogue(api(1, "echo", "GET /*", service_url=service_url))
    assert find(served, b"GET", path).target == target


@pytest.mark.parametrize(
    "target",
    [
        b"/echo/%zz",
        b"/echo/%",
        b"/echo/%2",
        b"/echo/q?a=%zz",
        b"/echo/%00",
        b"/echo/pel\xc3\xadculas",
        b"/echo/q?s=pel\xc3\xadculas",
        b"/echo/a b",
        b"/echo/a\tb",
        b"/echo/a\x7f",
        b"/echo/a\r\nX: y",
        b"/echo/a#b",
        b"echo/a",
        b"*",
        b"",
    ],
)
def test_a_malformed_target_is_said_to_be_malformed(target):
    assert isinstance(find(catalogue(api(1, "echo", "GET /*")), b"GET", target), Malformed)


AMBIGUOUS = [
    pytest.param(["GET /a/{x}"], b"/echo/a/b%2Fc", id="an encoded slash"),
    pytest.param(["GET /a/{x}"], b"/echo/a/b%5Cc", id="an encoded backslash"),
    pytest.param(["GET /a/{x}"], b"/echo/a/b\\c", id="a backslash"),
    pytest.param(["GET /a/{x}"], b"/echo/a/b%252fc", id="a slash encoded twice"),
    pytest.param(["GET /a/{x}", "GET /a/admin"], b"/echo/a/admin;x", id="a literal with parameters"),
    pytest.param(["GET /a/{x}", "GET /a/admin"], b"/echo/a/admin%3Bx", id="a literal with encoded parameters"),
    pytest.param(["GET /a/{x}", "GET /a/admin"], b"/echo/a/admin;%2Fx%23", id="several tricks at once"),
    pytest.param(["GET /a/{x}", "GET /a/admin"], b"/echo/a/admin%23", id="a literal that ends at a number sign"),
    pytest.param(["GET /a/{x}", "GET /a/admin"], b"/echo/a/admin%3Fx", id="a literal that ends at a question mark"),
    pytest.param(["GET /a/{x}", "GET /a/admin"], b"/echo/a/admin%2500", id="a literal that ends at a null"),
    pytest.param(["GET /a/{x}", "GET /a/admin"], b"/echo/a/%2561dmin", id="a literal encoded twice"),
    pytest.param(["GET /{x}", "GET /q?a={a}"], b"/echo/q%3Fa=1", id="a query within the path"),
    pytest.param(["GET /a/{x}/b"], b"/echo/a/1%3F/b", id="a path that ends early"),
    pytest.param(["GET /a/{x}/b"], b"/echo/a/C%23/b", id="a path that ends early, at a number sign"),
    pytest.param(["GET /*", "GET /a/admin"], b"/echo/a%2Fadmin", id="a literal past a wildcard"),
    pytest.param(["GET /*", "GET /a/admin"], b"/echo/a//admin", id="a literal past merged slashes"),
    pytest.param(["GET /*"], b"/echo/" + b"%2F;%23\\" * 2000, id="more than can be followed"),
]


@pytest.mark.parametrize(("templates", "path"), AMBIGUOUS)
def test_a_path_that_may_be_read_as_another_ones_is_refused(templates, path):
    found = find(catalogue(api(1, "echo", *templates)), b"GET", path)
    assert isinstance(found, Malformed)
    assert found.api.id == 1


@pytest.mark.parametrize(
    "path", [b"/shop%2Fadmin/x", b"/shop;v=1/admin/x", b"//shop/admin/x", b"/shop/admin;x/y", b"/shop/admin%3Fx"]
)
def test_no_reading_of_a_path_leads_into_another_api(path):
    served = catalogue(api(1, "", "GET /*"), api(2, "shop", "GET /*"), api(3, "shop/admin", "GET /*"))
    assert isinstance(find(served, b"GET", path), Malformed)


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("GET /langs/{name}", b"/echo/langs/C%23"),
        ("GET /pages/{title}", b"/echo/pages/Who%3F"),
        ("GET /pages/{title}?v={v}", b"/echo/pages/Who%3F?v=1"),
        ("GET /map/{place}", b"/echo/map/oslo;zoom=3"),
        ("GET /rates/{value}", b"/echo/rates/100%25"),
        ("GET /blobs/{container}/*", b"/echo/blobs/c/a%2Fb%5Cc//d;e%20f"),
    ],
)
def test_what_leads_to_one_operation_however_it_is_read_passes(template, path):
    assert operation_at(catalogue(api(1, "echo", template)), b"GET", path) == 1


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        (b"/echo/a/b%2Fc", 1),
        (b"/echo/a/b%252Fc%5cd", 1),
        (b"/echo/a/admin%2F", 1),
        (b"/echo/s%2Ft", 3),
        (b"/echo/l/C%23/Who%3F", 4),
        (b"/echo/l/C%2523/x", 4),
        (b"/echo/a/admin;x%2F", None),
        (b"/echo/a/b%2F..%2Fc", None),
        (b"/echo/a/b\\c", None),
    ],
)
def test_an_api_may_let_encoded_slashes_pass_in_a_segment(path, operation):
    served = catalogue(
        api(1, "echo", "GET /a/{x}", "GET /a/admin", "GET /s%2Ft", "GET /l/{x}/{y}", allow_encoded_slashes=True)
    )
    assert operation_at(served, b"GET", path) == operation


DISGUISED = [
    ".",
    "..",
    "%2e",
    "%2E%2e",
    ".%2e",
    "..;",
    "..;a=b",
    "..%3Ba",
    "%2e%2e;x",
    "..%2f",
    "a%2f..",
    "..%5cb",
    "..\\b",
    "a%5C%2e%2e",
    "a%2F.%2Fb",
    "%252e%252e",
    "%25%32%65%252E",
    ".%252e%253Bx",
    "a%252F..",
    "..%3Fx",
    "..%23",
    "..%2500",
]


@pytest.mark.parametrize("segment", DISGUISED)
@pytest.mark.parametrize("path", ["/echo/{}/b", "/echo/a/{}", "/{}/echo/a", "/echo/a/{}/../b"])
def test_dot_segments_reach_no_operation(path, segment):
    served = catalogue(api(1, "echo", "GET /*"), api(2, "", "GET /*"))
    assert isinstance(find(served, b"GET", path.format(segment).encode()), NotFound)


@pytest.mark.parametrize("path", [b"/echo/...", b"/echo/a..b", b"/echo/.well-known", b"/echo/x/..a", b"/echo/a%2eb"])
def test_dots_within_a_segment_are_harmless(path):
    assert isinstance(find(catalogue(api(1, "echo", "GET /*")), b"GET", path), Route)


def read_by(steps, path):
    """What a backend makes of a path by these steps, one after another."""
    done = {
        "decode": lambda text: re.sub(rb"%([0-9a-fA-F]{2})", lambda code: bytes.fromhex(code[1].decode()), text),
        "backslash": lambda text: text.replace(b"\\", b"/"),
        "parameters": lambda text: b"/".join(segment.split(b";")[0] for segment in text.split(b"/")),
        "end": lambda text: re.split(rb"[?#\0]", text)[0],
        "merge": lambda text: re.sub(rb"/+", b"/", text),
    }
    for step in steps:
        path = done[step](path)
    return path


@given(
    st.lists(
        st.sampled_from(["/", "%2F", "%252f", "%5c", "\\", ";", "%3B", "%3f", "%2523", "admin", "%61dmin", "x", "//"]),
        max_size=6,
    ),
    st.sampled_from([(), ("parameters",), ("backslash",), ("end",)]),
    st.permutations(["backslash", "parameters", "end"]),
    st.integers(0, 3),
    st.booleans(),
    st.booleans(),
)
def test_no_backend_reads_a_routed_path_as_that_of_another_operation(pieces, before, after, number, twice, merges):
    target = "".join(["/echo/", *pieces]).encode()
    found = find(NESTED, b"GET", target)
    if not isinstance(found, Route):
        return
    read = read_by(
        (*before, "decode", *(("decode",) if twice else ()), *after[:number], *(("merge",) * merges)), target
    )
    for leaf_path in (b"/echo/admin", b"/echo/x/admin"):
        if read.lower() == leaf_path:
            assert found.operation == find(NESTED, b"GET", leaf_path).operation
    if read.lower().startswith(b"/echo/secret/"):
        assert found.api.id == 2


@given(st.text(alphabet="/.%25eEfFcC;\\ab", max_size=24))
def test_no_reader_of_a_routed_path_finds_a_dot_segment(rest):
    found = find(SERVED, b"GET", b"/echo/" + rest.encode())
    if isinstance(found, Route):
        read = re.sub(rb"%([0-9a-fA-F]{2})", lambda code: bytes.fromhex(code[1].decode()), found.target)
        assert not {b".", b".."} & {segment.split(b";")[0] for segment in re.split(rb"[/\\]", read)}


@given(st.binary(max_size=64))
def test_any_bytes_find_something_or_nothing_but_raise_nothing(target):
    assert isinstance(find(SERVED, b"GET", b"/echo/" + target), Route | NotFound | Malformed)


def test_the_memory_of_routes_is_bounded():
    served = catalogue(api(1, "echo", "GET /*"))
    for number in range(REMEMBERED_ROUTES * 2 + 10):
        find(served, b"GET", b"/echo/%d" % number)
        find(served, b"M%d" % number, b"/echo/1")
    assert set(served.remembered) == {b"GET"}
    assert 0 < len(served.remembered[b"GET"]) <= REMEMBERED_ROUTES


def test_a_remembered_route_is_the_same_route():
    served = catalogue(api(1, "echo", "GET /{x}"))
    assert find(served, b"GET", b"/echo/a") is find(served, b"GET", b"/echo/a")


def test_a_target_with_a_key_is_not_remembered():
    served = catalogue(api(1, "echo", "GET /{x}"))
    find(served, b"GET", b"/echo/a?subscription-key=secret")
    assert served.remembered == {b"GET": {}}


@pytest.mark.parametrize(
    ("apis", "problem"),
    [
        ([api(1, "a", "GET files")], "begins with a slash"),
        ([api(1, "a", "GET /{x}", "GET /{y}")], "1 and 2 match the same calls"),
        ([api(1, "a", "GET /q?a={x}&b={y}", "GET /q?b={x}&a={y}")], "1 and 2 match the same calls"),
        ([api(1, "a", "GET /a%62", "GET /AB")], "1 and 2 match the same calls"),
        ([api(1, "a"), api(2, "A")], "1 and 2 have the same URL suffix"),
        ([api(1, "a", service_url="ftp://b")], "absolute http or https URL"),
        ([api(1, "a", service_url="http://b/?x")], "no query"),
        ([api(1, "a", service_url="http://user@b/")], "absolute http or https URL"),
    ],
)
def test_what_cannot_be_served_does_not_compile(apis, problem):
    with pytest.raises(CatalogueError, match=problem):
        catalogue(*apis)


SERVED = catalogue(api(1, "echo", "GET /*"))
NESTED = catalogue(
    api(1, "echo", "GET /admin", "GET /x/admin", "GET /{x}", "GET /x/{y}", "GET /*"), api(2, "echo/secret", "GET /*")
)
