"""From a method and a request target to an operation, and to the target that its backend gets.

The rules, where Azure's documents leave a choice:
- The API with the longest URL suffix is the one that is called, even if another one would have the
  operation. Suffix and literals are compared without regard to ASCII case, percent-decoded once, so
  that `/%61dmin` cannot slip past an operation `/admin`.
- Segment by segment a literal goes before a parameter, and that before a wildcard; where the rest
  of the path does not fit, the next one is tried. Among templates of the same path the one with
  more query parts goes first.
- A parameter covers one segment that is not empty; a wildcard covers the rest, which may be
  nothing. Empty segments count: `/files/` is not `/files`. Only an API's root has two spellings.
- A method is a case-sensitive token; HEAD calls an operation whose method is HEAD.
- A malformed target is answered 400; one with a `.` or `..` segment, in any disguise, 404.
- A path that a backend might read as another one is answered 400, unless both lead to one operation.
  So an encoded slash passes where a wildcard covers it, or where the API lets it pass.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
from cryptography.fernet import Fernet

from apis import url_templates
from apis.url_templates import Segment, SegmentKind
from gateway.catalogue.call_limits import ProductLimits
from gateway.catalogue.cause import NoRoute
from gateway.catalogue.deprecation import DeprecationLines, deprecation_lines_of
from gateway.catalogue.labels import Labels
from gateway.catalogue.slices import emptied
from gateway.catalogue.subscriptions import Subscriptions
from gateway.configuration import key_digest
from gateway.configuration.snapshot import API, Operation, Product, Snapshot, Subscription
from gateway.http.cors import CORS, cors_of
from gateway.http.masking import masked_url
from gateway.http.target import (
    climbs,
    comparable,
    decoded,
    is_plain,
    malformation,
    parameters_named,
    readings,
    requirement,
    values,
    without,
)
from gateway.upstream.backend import Backends, Destination, compile_backends, destination_of

# No place in the trees is deeper: a suffix has at most 200 segments and a template 64.
MAX_SEGMENTS = 300
DEFAULT_KEY_QUERY_NAME = b"subscription-key"
REMEMBERED_ROUTES = 8192
REMEMBERED_TARGET_BYTES = 256
AMBIGUOUS = "The path can be taken for another one: it holds an encoded slash or the like, or empty segments."

_SLASHES = re.compile(rb"//+")


class CatalogueError(ValueError):
    """The snapshot holds something that cannot be served; the text says what and where."""


# There are many of each, without cycles: the garbage collector need not walk them.
class Leaf(msgspec.Struct, frozen=True, gc=False):
    """A template's end: its operation, and the query parameters that it requires."""

    operation: int
    query: tuple[tuple[bytes, bytes | None], ...]

    def accepts(self, query: bytes) -> bool:
        return all(requirement(name, value).search(query) for name, value in self.query)


class Node(msgspec.Struct, gc=False):
    """A place in the tree of one API's templates of one method."""

    literals: dict[bytes, "Node"] = {}
    parameter: "Node | None" = None
    ends: tuple[Leaf, ...] = ()
    wildcards: tuple[Leaf, ...] = ()


@dataclass(frozen=True, slots=True)
class PublishedAPI:
    """An API in the form that a request needs. `key_header` is in lower case, `key_header_name` as written.

    `backend` is None where the API's own is missing or cannot be used. `key_parameter` finds keys in
    the query, `withheld_parameters` also what only looks like one, for its name is in another case
    or is the usual one: the backend gets neither.
    """

    id: int
    path: bytes
    schemes: frozenset[bytes]
    backend: Destination | None
    subscription_required: bool
    open_product: int | None
    key_header: bytes
    key_header_name: bytes
    key_parameter: re.Pattern[bytes]
    withheld_parameters: re.Pattern[bytes]
    cors: CORS | None
    deprecation: DeprecationLines | None
    body_limit_bytes: int | None
    keeps_encoded_slashes: bool
    operations: tuple[Operation, ...]
    methods: dict[bytes, Node]


@dataclass(slots=True)
class Suffix:
    """A place in the tree of URL suffixes."""

    longer: dict[bytes, "Suffix"] = field(default_factory=dict)
    api: PublishedAPI | None = None


class Route(msgspec.Struct, frozen=True, gc=False):
    """`target` is what the API's backend makes of the caller's, `url` goes into the record; neither holds the key."""

    api: PublishedAPI
    operation: int
    target: bytes
    url: bytes
    query_keys: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Malformed:
    """`api` is known where it is its operations that make the target ambiguous."""

    why: str
    url: bytes
    api: PublishedAPI | None = None


@dataclass(frozen=True, slots=True)
class NotFound:
    api: PublishedAPI | None
    url: bytes
    why: NoRoute


@dataclass(slots=True)
class Catalogue:
    """A snapshot, compiled. All is fixed but the subscriptions, and `remembered`: routes of targets seen before.

    `keys` is `subscriptions.by_key`. `key_fields` are the names in lower case of all headers that keys are sent in.
    """

    gateway_url: bytes
    suffixes: Suffix
    apis: dict[int, PublishedAPI]
    backends: Backends
    products: dict[int, Product]
    product_apis: dict[int, frozenset[int]]
    limits: dict[int, ProductLimits]
    subscriptions: Subscriptions
    keys: dict[bytes, Subscription]
    key_fields: frozenset[bytes]
    key_parameters: re.Pattern[bytes]
    digest_of: Callable[[bytes], bytes]
    labels: Labels
    remembered: dict[bytes, OrderedDict[bytes, Route]]


def compile_in_steps(
    snapshot: Snapshot,
    digest_secret: bytes,
    cipher: Fernet | None,
    subscriptions: Subscriptions,
    before: Catalogue | None = None,
) -> Generator[None, None, Catalogue]:
    """Compile all but the subscriptions, with pauses in between. Raises CatalogueError.

    What has not changed since `before` is taken over from there.
    """
    backends = yield from compile_backends(snapshot.backends, cipher, before.backends if before is not None else None)
    suffixes = Suffix()
    apis: dict[int, PublishedAPI] = {}
    labels = Labels()
    for api in snapshot.apis:
        labels.add_api(api)
        earlier = before.apis.get(api.id) if before is not None else None
        apis[api.id] = published = yield from _publish(api, backends, earlier)
        _place_api(suffixes, published)
        yield
    limits: dict[int, ProductLimits] = {}
    for product in snapshot.products:
        labels.add_product(product)
        is_known = before is not None and before.products.get(product.id) == product
        limits[product.id] = before.limits[product.id] if before is not None and is_known else ProductLimits(product)
        yield
    # A name in another case holds no key that opens anything, but perhaps one that is not to be recorded.
    key_names = frozenset({DEFAULT_KEY_QUERY_NAME, *(api.key_query_name.encode() for api in snapshot.apis)})
    return Catalogue(
        gateway_url=snapshot.gateway_url.rstrip("/").encode(),
        suffixes=suffixes,
        apis=apis,
        backends=backends,
        products={product.id: product for product in snapshot.products},
        product_apis={product.id: frozenset(product.apis) for product in snapshot.products},
        limits=limits,
        subscriptions=subscriptions,
        keys=subscriptions.by_key,
        key_fields=frozenset(api.key_header for api in apis.values()),
        key_parameters=parameters_named(key_names, in_any_case=True),
        digest_of=key_digest.digester(digest_secret),
        labels=labels,
        remembered={method: OrderedDict() for api in apis.values() for method in api.methods},
    )


def dismantle(catalogue: Catalogue) -> Iterator[None]:
    """Free a catalogue that serves no more, in steps."""
    catalogue.suffixes = Suffix()
    return emptied(*catalogue.remembered.values(), catalogue.apis, catalogue.labels.operations)


def _publish(api: API, backends: Backends, before: PublishedAPI | None) -> Generator[None, None, PublishedAPI]:
    try:
        backend = destination_of(api, backends)
    except ValueError as error:
        raise CatalogueError(f"API {api.id}: {error}") from error
    if before is not None and before.operations == api.operations:
        methods = before.methods
    else:
        methods = yield from _methods(api)
    return PublishedAPI(
        id=api.id,
        path=api.path.encode(),
        schemes=frozenset(scheme.encode() for scheme in api.schemes),
        backend=backend,
        subscription_required=api.subscription_required,
        open_product=api.open_product,
        key_header=api.key_header_name.lower().encode(),
        key_header_name=api.key_header_name.encode(),
        key_parameter=parameters_named(frozenset({api.key_query_name.encode()})),
        withheld_parameters=parameters_named(
            frozenset({DEFAULT_KEY_QUERY_NAME, api.key_query_name.encode()}), in_any_case=True
        ),
        cors=cors_of(api.cors_origins),
        deprecation=deprecation_lines_of(api),
        body_limit_bytes=api.request_body_limit_bytes,
        keeps_encoded_slashes=api.allow_encoded_slashes,
        operations=api.operations,
        methods=methods,
    )


def _methods(api: API) -> Generator[None, None, dict[bytes, Node]]:
    methods: dict[bytes, Node] = {}
    for operation in api.operations:
        _place_operation(methods.setdefault(operation.method.encode(), Node()), operation)
        yield
    return methods


def _place_api(suffixes: Suffix, api: PublishedAPI) -> None:
    place = suffixes
    for segment in api.path.lower().split(b"/") if api.path else ():
        place = place.longer.setdefault(segment, Suffix())
    if place.api is not None:
        raise CatalogueError(f"APIs {place.api.id} and {api.id} have the same URL suffix '{api.path.decode()}'")
    place.api = api


def _place_operation(root: Node, operation: Operation) -> None:
    try:
        template = url_templates.parse(operation.url_template)
    except url_templates.TemplateError as error:
        raise CatalogueError(f"Operation {operation.id}: {error}") from error
    is_wildcard = template.segments[-1].kind is SegmentKind.WILDCARD
    node = _place(root, template.segments[:-1] if is_wildcard else template.segments)
    leaves = node.wildcards if is_wildcard else node.ends
    leaf = Leaf(operation.id, tuple(part.comparable for part in template.query))
    twin = next((other for other in leaves if set(other.query) == set(leaf.query)), None)
    if twin is not None:
        raise CatalogueError(f"Operations {twin.operation} and {operation.id} match the same calls")
    leaves = tuple(sorted((*leaves, leaf), key=_rank, reverse=True))
    if is_wildcard:
        node.wildcards = leaves
    else:
        node.ends = leaves


def _place(node: Node, segments: Sequence[Segment]) -> Node:
    for segment in segments:
        if segment.kind is SegmentKind.LITERAL:
            node = node.literals.setdefault(segment.comparable, Node())
        else:
            node.parameter = node.parameter or Node()
            node = node.parameter
    return node


def _rank(leaf: Leaf) -> tuple[int, int]:
    """More query parts first, then more of them with a literal value."""
    return len(leaf.query), sum(value is not None for _, value in leaf.query)


def find(catalogue: Catalogue, method: bytes, target: bytes) -> Route | NotFound | Malformed:
    """The operation that a call names, and the targets made from it.

    Routes are remembered, for real callers repeat themselves. Callers who do not can only make the
    gateway forget: the memory is bounded, and what came first goes first.
    """
    remembered = catalogue.remembered.get(method)
    if remembered is not None and (route := remembered.get(target)) is not None:
        return route
    found = _find(catalogue, method, target)
    if (
        remembered is not None
        and isinstance(found, Route)
        and found.url is target
        and len(target) <= REMEMBERED_TARGET_BYTES
    ):
        if len(remembered) >= REMEMBERED_ROUTES:
            remembered.popitem(last=False)
        remembered[target] = found
    return found


def _find(catalogue: Catalogue, method: bytes, target: bytes) -> Route | NotFound | Malformed:
    path, question_mark, query = target.partition(b"?")
    has_key = catalogue.key_parameters.search(query) is not None
    url = without(target, catalogue.key_parameters) if has_key else target
    if b"=" in url:
        url = masked_url(url)
    why = malformation(target)
    if why is not None:
        return Malformed(why, url)
    if climbs(path):
        return NotFound(None, url, "dot-segments")
    segments = path.split(b"/", MAX_SEGMENTS)[1:]
    read = [decoded(segment).lower() for segment in segments]
    api, depth, leaf = _lead(catalogue, method, read, query)
    if api is None or leaf is None:
        return NotFound(api, url, "no-operation" if api is not None else "no-api")
    if not is_plain(path) and _is_ambiguous(catalogue, method, path, query, api, leaf):
        return Malformed(AMBIGUOUS, url, api)
    rest = b"".join([b"/" + segment for segment in segments[depth:]])
    rest += question_mark + query
    if has_key:
        rest = without(rest, api.withheld_parameters)
    backend_target = api.backend.target(rest) if api.backend is not None else b""
    return Route(api, leaf.operation, backend_target, url, values(query, api.key_parameter) if has_key else ())


def _lead(
    catalogue: Catalogue, method: bytes, segments: Sequence[bytes], query: bytes
) -> tuple[PublishedAPI | None, int, Leaf | None]:
    """Where decoded segments lead: the API, how many of them are its suffix, and the operation."""
    api, depth = longest_suffix(catalogue.suffixes, segments)
    root = api.methods.get(method) if api is not None else None
    if root is None:
        return api, depth, None
    return api, depth, _match(root, segments[depth:] or [b""], 0, query)


def _is_ambiguous(
    catalogue: Catalogue, method: bytes, path: bytes, query: bytes, api: PublishedAPI, leaf: Leaf
) -> bool:
    """Whether some backend would read the path as one that leads elsewhere, or nowhere."""
    admitted = api.id, leaf.operation

    def lead(text: bytes, part: bytes) -> tuple[int, int] | None:
        asked = part + b"&" + query if part else query
        found, _, its = _lead(catalogue, method, comparable(text, MAX_SEGMENTS), asked)
        return (found.id, its.operation) if found is not None and its is not None else None

    found = readings(path, keeps_delimiters=api.keeps_encoded_slashes)
    if found is None:
        return True
    # Empty segments that a template spells out are its author's: where they are merged, it may lead nowhere.
    return any(lead(text, part) != admitted for text, part in found) or any(
        b"//" in text and lead(_SLASHES.sub(b"/", text), part) not in (None, admitted) for text, part in found
    )


def longest_suffix(place: Suffix, segments: Sequence[bytes]) -> tuple[PublishedAPI | None, int]:
    """The API with the longest suffix that the path begins with, and the suffix's number of segments."""
    found, depth = place.api, 0
    for index, segment in enumerate(segments):
        longer = place.longer.get(segment)
        if longer is None:
            break
        place = longer
        if place.api is not None:
            found, depth = place.api, index + 1
    return found, depth


def _match(node: Node, segments: Sequence[bytes], index: int, query: bytes) -> Leaf | None:
    if index == len(segments):
        return _accepting(node.ends, query) or _accepting(node.wildcards, query)
    segment = segments[index]
    literal = node.literals.get(segment)
    if literal is not None and (leaf := _match(literal, segments, index + 1, query)) is not None:
        return leaf
    if segment and node.parameter is not None:
        leaf = _match(node.parameter, segments, index + 1, query)
        if leaf is not None:
            return leaf
    return _accepting(node.wildcards, query)


def _accepting(leaves: Sequence[Leaf], query: bytes) -> Leaf | None:
    for leaf in leaves:
        if not leaf.query or leaf.accepts(query):
            return leaf
    return None
