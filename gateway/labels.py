"""What metrics call the APIs, operations and products of a snapshot."""

from dataclasses import dataclass, field

from gateway.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Labels:
    """By id: an API's URL suffix (`/` where it has none), an operation's method and template, a product's name."""

    apis: dict[int, str] = field(default_factory=dict)
    operations: dict[int, str] = field(default_factory=dict)
    products: dict[int, str] = field(default_factory=dict)


def labels_of(snapshot: Snapshot) -> Labels:
    return Labels(
        {api.id: api.path or "/" for api in snapshot.apis},
        {
            operation.id: f"{operation.method} {operation.url_template}"
            for api in snapshot.apis
            for operation in api.operations
        },
        {product.id: product.name or str(product.id) for product in snapshot.products},
    )
