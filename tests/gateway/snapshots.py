"""Small snapshots for tests of the gateway's core."""

from cryptography.fernet import Fernet

from gateway.catalogue.routing import Catalogue, compile_in_steps
from gateway.catalogue.subscriptions import Subscriptions
from gateway.configuration import key_digest
from gateway.configuration.snapshot import API, Operation, Product, Snapshot, Subscription

SECRET = key_digest.digest_secret("only-for-tests-" + "y" * 40)
ALICE = b"A" * 16


def api(number: int = 1, path: str = "echo", *operations: str, **fields) -> API:
    """`operations` are written as `GET /path`; their ids count from 1."""
    values = {
        "service_url": "http://127.0.0.1:9000/base",
        "schemes": ("http", "https"),
        "subscription_required": True,
        "key_header_name": "Ocp-Apim-Subscription-Key",
        "key_query_name": "subscription-key",
        "open_product": None,
    } | fields
    parsed = tuple(Operation(index, *text.split(" ", 1)) for index, text in enumerate(operations, 1))
    return API(id=number, path=path, operations=parsed, **values)


def subscription(key: bytes, *more_keys: bytes, **fields) -> Subscription:
    values = {"id": ALICE, "owner": 7, "product": None, "api": None, "is_active": True, "expires_at": None} | fields
    return Subscription(keys=tuple(key_digest.digest(SECRET, one) for one in (key, *more_keys)), **values)


def snapshot(*parts: API | Product | Subscription, **fields) -> Snapshot:
    values = {"revision": 1, "service_name": "demo", "gateway_url": "https://api.example.org"} | fields
    return Snapshot(
        apis=tuple(part for part in parts if isinstance(part, API)),
        products=tuple(part for part in parts if isinstance(part, Product)),
        subscriptions=tuple(part for part in parts if isinstance(part, Subscription)),
        **values,
    )


def catalogue(*parts: API | Product | Subscription, **fields) -> Catalogue:
    return compiled(snapshot(*parts, **fields), SECRET)


def compiled(snapshot: Snapshot, digest_secret: bytes, cipher: Fernet | None = None) -> Catalogue:
    """All its steps at once. `cipher` opens the credentials of backends."""
    steps = compile_in_steps(snapshot, digest_secret, cipher, Subscriptions(snapshot.subscriptions))
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value
