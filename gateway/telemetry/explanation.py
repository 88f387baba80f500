"""What routing makes of a call, in words, for those who debug: slower than `routing`, with what that does not keep."""

from collections.abc import Iterator

from apis import url_templates
from apis.url_templates import SegmentKind
from gateway.catalogue.routing import (
    MAX_SEGMENTS,
    Catalogue,
    Leaf,
    Malformed,
    Node,
    PublishedAPI,
    Route,
    find,
    longest_suffix,
)
from gateway.http.target import climbs, decoded, parameters_named, requirement, values

JSON = dict[str, object]

# A tree of templates could be made to be searched for long.
_PLACES_LIMIT = 1000
_NAMED_LIMIT = 10


def explain_route(catalogue: Catalogue, method: bytes, target: bytes, scheme: bytes) -> JSON:
    """The API, the operation and its parameters, or why there is none."""
    route = find(catalogue, method, target)
    if isinstance(route, Malformed):
        return {"message": route.why}
    path, _, query = target.partition(b"?")
    if climbs(path):
        return {"message": "The path has a segment '.' or '..', which no operation can have."}
    segments = path.split(b"/", MAX_SEGMENTS)[1:]
    comparable = [decoded(segment).lower() for segment in segments]
    api, depth = longest_suffix(catalogue.suffixes, comparable)
    if api is None:
        return {"message": "No API has a URL suffix that the path begins with."}
    found: JSON = {"api": catalogue.labels.apis[api.id]}
    if isinstance(route, Route):
        found["operation"] = catalogue.labels.operations[route.operation]
        found["parameters"] = _parameters(api, route.operation, segments[depth:], query)
        if scheme not in api.schemes:
            found["message"] = f"The API is not to be called by {scheme.decode()}."
        return found
    return found | _near_misses(catalogue, api, method, comparable[depth:] or [b""], query)


def _parameters(api: PublishedAPI, operation: int, segments: list[bytes], query: bytes) -> dict[str, str]:
    """As in the URL, percent-decoded once."""
    template = url_templates.parse(next(one.url_template for one in api.operations if one.id == operation))
    found = {}
    for place, segment in enumerate(template.segments):
        if segment.kind is SegmentKind.WILDCARD:
            found[segment.text] = _text(b"/".join(segments[place:]))
        elif segment.kind is SegmentKind.PARAMETER:
            found[segment.text] = _text(segments[place])
    for part in template.query:
        if part.is_parameter:
            given = values(query, parameters_named(frozenset((decoded(part.name.encode()),))))
            found[part.value] = _text(given[0] if given else b"")
    return found


def _text(value: bytes) -> str:
    return decoded(value).decode(errors="replace")


def _near_misses(catalogue: Catalogue, api: PublishedAPI, method: bytes, segments: list[bytes], query: bytes) -> JSON:
    missing = {
        catalogue.labels.operations[leaf.operation]: [
            name.decode(errors="replace") + ("" if value is None else "=" + value.decode(errors="replace"))
            for name, value in leaf.query
            if not requirement(name, value).search(query)
        ]
        for leaf in _fitting(api.methods.get(method), segments)
    }
    if missing:
        return {
            "message": "The path fits, but required query parameters are missing.",
            "missing": dict(list(missing.items())[:_NAMED_LIMIT]),
        }
    others = sorted(
        other.decode() for other, root in api.methods.items() if other != method and any(_fitting(root, segments))
    )
    if others:
        return {"message": "The path fits operations of other methods only.", "methods": others[:_NAMED_LIMIT]}
    return {"message": "No operation of the API has a URL template that fits the path."}


def _fitting(root: Node | None, segments: list[bytes]) -> Iterator[Leaf]:
    """The templates that fit the path, whatever the query."""
    places = [(root, 0)] if root is not None else []
    for _ in range(_PLACES_LIMIT):
        if not places:
            return
        node, index = places.pop()
        yield from node.wildcards
        if index == len(segments):
            yield from node.ends
            continue
        segment = segments[index]
        if segment and node.parameter is not None:
            places.append((node.parameter, index + 1))
        if segment in node.literals:
            places.append((node.literals[segment], index + 1))
