"""Which columns make the gateway's configuration: what `compile` reads, and `triggers` watch."""

from dataclasses import dataclass

from django.apps import apps
from django.db import models


@dataclass(frozen=True, slots=True)
class Watched:
    """A model by its label; its rows coming and going count unless `only_updates`."""

    label: str
    fields: tuple[str, ...]
    only_updates: bool = False

    @property
    def model(self) -> type[models.Model]:
        return apps.get_model(self.label)

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    @property
    def columns(self) -> tuple[str, ...]:
        columns = {field.name: str(field.column) for field in self.model._meta.concrete_fields}
        return tuple(columns[name] for name in (self.model._meta.pk.name, *self.fields))


SERVICE = Watched("service.Service", ("name",))
API = Watched(
    "apis.API", ("path", "service_url", "scheme", "subscription_required", "key_header_name", "key_query_name")
)
OPERATION = Watched("apis.Operation", ("api", "method", "url_template"))
PRODUCT = Watched("subscriptions.Product", ("subscription_required",))
PRODUCT_API = Watched("subscriptions.Product_apis", ("product", "api"))
PRODUCT_POLICY = Watched("policies.ProductPolicy", ("product", "document"))
SUBSCRIPTION = Watched("subscriptions.Subscription", ("owner", "product", "api", "all_apis", "state", "expires_at"))
SUBSCRIPTION_KEY = Watched("subscriptions.SubscriptionKey", ("subscription", "digest"))
# Who signs up or goes has no subscription then; signing in writes to this table often.
OWNER = Watched("accounts.User", ("state",), only_updates=True)

WATCHED = (SERVICE, API, OPERATION, PRODUCT, PRODUCT_API, PRODUCT_POLICY, SUBSCRIPTION, SUBSCRIPTION_KEY, OWNER)
