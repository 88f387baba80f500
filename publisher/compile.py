"""From the database's rows to the gateway's snapshot.

What cannot be served is left out and logged, so that it does not hold up the rest: an API whose
service URL is broken, an operation whose template is. A product whose policy document is broken
stays in, and the gateway refuses its calls: without the document they would be unlimited.
"""

import logging
from collections import defaultdict
from functools import partial

import msgspec
from django.conf import settings
from django.core.exceptions import ValidationError

from apis import url_templates
from apis.models import API as APIRow
from apis.origins import origin_of, parse_origins
from gateway.configuration.snapshot import API, Operation, Product, Snapshot
from gateway.upstream.backend import backend_of
from policies.compiler import PolicyError, ProductPolicyValues, compile_product_policy
from policies.product_names import ProductNames
from publisher import changes, watched
from publisher.backends import read_backends
from publisher.deprecations import Deprecations
from publisher.reading import one_moment, rows
from publisher.subscriptions import read_subscriptions
from service.models import gateway_url_of

log = logging.getLogger(__name__)


def read_snapshot() -> Snapshot:
    """The configuration as it is at this moment; eleven queries."""
    with one_moment():
        return msgspec.structs.replace(read_catalogue(changes.revision().number), subscriptions=read_subscriptions())


def read_catalogue(revision: int) -> Snapshot:
    """All but the subscriptions; nine queries, and some for each policy that names APIs.

    For the inside of `one_moment`.
    """
    service_name = next((name for _, name in rows(watched.SERVICE)), "")
    gateway_url = _gateway_url(service_name)
    product_apis: dict[int, list[int]] = defaultdict(list)
    for _, product, api in rows(watched.PRODUCT_API):
        product_apis[product].append(api)
    products = list(rows(watched.PRODUCT))
    is_open = {product: not subscription_required for product, _, subscription_required in products}
    return Snapshot(
        revision=revision,
        service_name=service_name,
        gateway_url=gateway_url,
        apis=_apis(_open_products(product_apis, is_open), gateway_url),
        products=_products({product: name for product, name, _ in products}, product_apis),
        backends=read_backends(),
    )


def _gateway_url(service_name: str) -> str:
    """Empty where it is not known yet: the gateway then goes by the Host header."""
    if not service_name and "{service}" in settings.GATEWAY_URL:
        return ""
    return gateway_url_of(service_name)


def _open_products(product_apis: dict[int, list[int]], is_open: dict[int, bool]) -> dict[int, int]:
    """The open product of each API that is in one. There should be only one; else the oldest counts."""
    found: dict[int, int] = {}
    for product in sorted(product_apis):
        if is_open.get(product):
            for api in product_apis[product]:
                found.setdefault(api, product)
    return found


def _apis(open_products: dict[int, int], gateway_url: str) -> tuple[API, ...]:
    found = list(APIRow.objects.order_by("pk").only(*watched.API.fields))
    deprecations = Deprecations(found, gateway_url)
    operations = _operations(deprecations)
    apis = []
    for row in found:
        try:
            if row.backend_id is None:
                backend_of(row.service_url)
        except ValueError as error:
            log.error("api_left_out api=%d error=%s", row.pk, error)
            continue
        apis.append(
            API(
                id=row.pk,
                path=row.path,
                service_url=row.service_url,
                schemes=row.schemes,
                subscription_required=row.subscription_required,
                key_header_name=row.key_header_name,
                key_query_name=row.key_query_name,
                open_product=open_products.get(row.pk),
                operations=tuple(operations[row.pk]),
                backend=row.backend_id,
                cors_origins=_cors_origins(row),
                request_body_limit_bytes=row.request_body_limit_bytes,
                backend_seconds=row.backend_timeout_seconds,
                allow_encoded_slashes=row.allow_encoded_slashes,
                deprecation=deprecations.of_api(row.pk),
            )
        )
    return tuple(apis)


def _cors_origins(row: APIRow) -> tuple[str, ...]:
    own = (origin_of(settings.PORTAL_URL),) if row.allow_portal_origin else ()
    try:
        return tuple(dict.fromkeys(own + parse_origins(row.allowed_origins)))
    except ValidationError as error:
        log.error("origins_left_out api=%d error=%s", row.pk, "; ".join(error.messages))
        return own


def _operations(deprecations: Deprecations) -> dict[int, list[Operation]]:
    """By API; of two that match the same calls the older one stays."""
    found: dict[int, list[Operation]] = defaultdict(list)
    shapes: set[tuple[object, ...]] = set()
    for pk, api, method, url_template, _, _, *deprecation in rows(watched.OPERATION):
        try:
            shape = (api, method, url_templates.parse(url_template).shape)
        except url_templates.TemplateError as error:
            log.error("operation_left_out operation=%d error=%s", pk, error)
            continue
        if shape in shapes:
            log.error("operation_left_out operation=%d error=%s", pk, "another one matches the same calls")
            continue
        shapes.add(shape)
        found[api].append(Operation(pk, method, url_template, deprecations.of_operation(api, *deprecation)))
    return found


def _products(names: dict[int, str], product_apis: dict[int, list[int]]) -> tuple[Product, ...]:
    documents = {product: document for _, product, document in rows(watched.PRODUCT_POLICY)}
    return tuple(_product(pk, name, tuple(product_apis[pk]), documents.get(pk)) for pk, name in names.items())


def _product(pk: int, name: str, apis: tuple[int, ...], document: str | None) -> Product:
    try:
        values = ProductPolicyValues()
        if document is not None:
            values = compile_product_policy(document, ProductNames(pk), partial(_log_missing, pk))
    except PolicyError as error:
        log.error("product_refuses_calls product=%d policy_error=%s", pk, error)
        return Product(pk, apis, policy_is_broken=True, name=name)
    return Product(pk, apis, values.rate_limit, values.quota, name=name)


def _log_missing(product: int, error: PolicyError) -> None:
    """Its calls, if there are any, have the product's limits all the same."""
    log.error("limit_left_out product=%d policy_error=%s", product, error)
