"""Query parameters are found and taken out as if the query were split and decoded."""

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.target import parameters_named, requirement, values, without

NAMES = frozenset({b"key", b"a-b"})
KEY = parameters_named(NAMES)
queries = st.lists(
    st.sampled_from(
        ["key", "a-b", "KEY", "k", "ke%79", "%6bey", "a%2db", "a%2Db", "=", "=1", "=%31", "&", "&&", "+", "%"]
    )
).map(lambda pieces: "".join(pieces).encode())


def split(query):
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        yield part, unquote_to_bytes(name), unquote_to_bytes(value)


@given(queries)
def test_taking_parameters_out_leaves_all_others(query):
    kept = [part for part, name, _ in split(query) if name not in NAMES]
    _, _, left = without(b"/p?" + query, KEY).partition(b"?")
    assert left == b"&".join(kept)


@given(queries)
def test_their_values_are_found(query):
    assert set(values(query, KEY)) == {value for _, name, value in split(query) if name in NAMES}


@given(queries, st.sampled_from(sorted(NAMES)), st.sampled_from([None, b"", b"1", b"=1"]))
def test_a_requirement_is_met_by_name_and_value(query, name, value):
    expected = any(found == name and value in (None, given) for _, found, given in split(query))
    assert bool(requirement(name, value).search(query)) == expected


@pytest.mark.parametrize("name", [b"c[0]", b".*", b"$x", b"a|b", b"\xc3\xa5"])
def test_names_are_taken_literally(name):
    assert without(b"/p?" + name + b"=1&cX=2", parameters_named(frozenset([name]))) == b"/p?cX=2"
