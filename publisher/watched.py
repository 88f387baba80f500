"""Which columns make the gateway's configuration: what `compile` reads, and `triggers` watch."""

from dataclasses import dataclass

from django.apps import apps
from django.db import models

from apis import deprecation


@dataclass(frozen=True, slots=True)
class Watched:
    """A model by its label; its rows coming and going count unless `only_updates`.

    A change is one of the catalogue, or only of the subscriptions that `logged` names: a column of
    the log (see `models.SubscriptionChange`), and the field whose value goes there.
    """

    label: str
    fields: tuple[str, ...]
    only_updates: bool = False
    logged: tuple[str, str] | None = None

    @property
    def model(self) -> type[models.Model]:
        return apps.get_model(self.label)

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.column(name) for name in (self.model._meta.pk.name, *self.fields))

    def column(self, field: str) -> str:
        return str(next(one.column for one in self.model._meta.concrete_fields if one.name == field))


SERVICE = Watched("service.Service", ("name",))
API = Watched(
    "apis.API",
    (
        "name",
        "display_name",
        "path",
        "service_url",
        "scheme",
        "subscription_required",
        "key_header_name",
        "key_query_name",
        "backend",
        "allow_portal_origin",
        "allowed_origins",
        "request_body_limit_bytes",
        "backend_timeout_seconds",
        "allow_encoded_slashes",
        *deprecation.FIELDS,
    ),
)
OPERATION = Watched("apis.Operation", ("api", "method", "url_template", "name", "display_name", *deprecation.FIELDS))
BACKEND = Watched(
    "backends.Backend",
    (
        "name",
        "type",
        "url",
        "sealed",
        "verify_chain",
        "verify_name",
        "ca_pem",
        "connect_seconds",
        "read_seconds",
        "idle_connections",
        "max_connections",
        "breaker_failures",
        "breaker_interval_seconds",
        "breaker_trip_seconds",
        "breaker_statuses",
        "breaker_counts_errors",
        "breaker_accepts_retry_after",
        "retry_count",
        "retry_interval_seconds",
        "retry_statuses",
    ),
)
POOL_MEMBER = Watched("backends.PoolMember", ("pool", "backend", "priority", "weight"))
PRODUCT = Watched("subscriptions.Product", ("name", "subscription_required"))
PRODUCT_API = Watched("subscriptions.Product_apis", ("product", "api"))
PRODUCT_POLICY = Watched("policies.ProductPolicy", ("product", "document"))
SUBSCRIPTION = Watched(
    "subscriptions.Subscription",
    ("owner", "product", "api", "all_apis", "state", "expires_at", "allow_tracing"),
    logged=("subscription", "id"),
)
SUBSCRIPTION_KEY = Watched(
    "subscriptions.SubscriptionKey", ("subscription", "digest", "ends_at"), logged=("subscription", "subscription")
)
# Who signs up or goes has no subscription then; signing in writes to this table often.
OWNER = Watched("accounts.User", ("state",), only_updates=True, logged=("owner", "id"))

WATCHED = (
    SERVICE,
    API,
    OPERATION,
    BACKEND,
    POOL_MEMBER,
    PRODUCT,
    PRODUCT_API,
    PRODUCT_POLICY,
    SUBSCRIPTION,
    SUBSCRIPTION_KEY,
    OWNER,
)
