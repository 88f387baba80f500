"""The names in the database that a product's policy may use."""

from collections.abc import Iterable, Sequence

from apis.models import API, Operation
from policies.references import Named
from subscriptions.models import Product


class ProductNames:
    """Of the product's APIs, or of `apis` if these are to be them. One query for the APIs, and one for each API."""

    def __init__(self, product: int | None, apis: Iterable[API] | None = None) -> None:
        self._product = product
        self._apis = apis

    def apis(self) -> Sequence[Named]:
        if self._apis is not None:
            return [Named(api.pk, api.name, api.display_name) for api in self._apis]
        named = Product.apis.through.objects.filter(product=self._product)
        return [Named(*row) for row in named.values_list("api", "api__name", "api__display_name")]

    def operations(self, api: int) -> Sequence[Named]:
        named = Operation.objects.filter(api=api).order_by()
        return [Named(*row) for row in named.values_list("pk", "name", "display_name")]
