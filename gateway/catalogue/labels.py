"""What metrics call the APIs, operations and products of a catalogue."""

from dataclasses import dataclass, field

from gateway.configuration.snapshot import API, Product


@dataclass(frozen=True, slots=True)
class Labels:
    """By id: an API's URL suffix (`/` where it has none), an operation's method and template, a product's name."""

    apis: dict[int, str] = field(default_factory=dict)
    operations: dict[int, str] = field(default_factory=dict)
    products: dict[int, str] = field(default_factory=dict)

    def add_api(self, api: API) -> None:
        self.apis[api.id] = api.path or "/"
        for operation in api.operations:
            self.operations[operation.id] = f"{operation.method} {operation.url_template}"

    def add_product(self, product: Product) -> None:
        self.products[product.id] = product.name or str(product.id)
