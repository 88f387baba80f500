"""A product's limits in plain words."""

import logging

from gateway.configuration.snapshot import InnerQuota, InnerRateLimit, Quota, RateLimit
from policies.compiler import PolicyError, compile_product_policy
from policies.models import ProductPolicy
from policies.product_names import ProductNames
from subscriptions.models import Product

Limit = RateLimit | Quota | InnerRateLimit | InnerQuota

logger = logging.getLogger(__name__)

_UNITS = ((604_800, "week"), (86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def limits_of(product: Product) -> list[str]:
    """Such as ["5 calls per minute", "100 calls per week"]; empty where calls are not limited.

    Those of APIs and operations come last, and say of what they are.
    """
    names = ProductNames(product.pk)
    try:
        policy = compile_product_policy(product.policy.document, names, missing=lambda _: None)
    except ProductPolicy.DoesNotExist:
        return []
    except PolicyError:
        logger.exception("The policy of product %s does not compile.", product.pk)
        return ["Limits on calls: ask the administrators"]
    limits = [limit for limit in (policy.rate_limit, policy.quota) if limit is not None]
    inner = [one for limit in limits for one in limit.inner]
    return [calls_per_period(limit) for limit in limits] + [
        f"{calls_per_period(one)} of {_name_of(one, names)}" for one in inner
    ]


def calls_per_period(limit: Limit) -> str:
    """`5 calls per minute`; a period of 0 seconds never ends."""
    amounts = []
    if limit.calls is not None:
        amounts.append(f"{limit.calls:,} {'call' if limit.calls == 1 else 'calls'}")
    if isinstance(limit, Quota | InnerQuota) and limit.kilobytes is not None:
        amounts.append(f"{limit.kilobytes:,} KB")
    seconds = limit.renewal_period_seconds
    return f"{' and '.join(amounts)} {f'per {_period(seconds)}' if seconds else 'in all'}"


def _name_of(limit: InnerRateLimit | InnerQuota, names: ProductNames) -> str:
    among = names.apis() if limit.operation is None else names.operations(limit.api)
    key = limit.api if limit.operation is None else limit.operation
    return next(one.display_name for one in among if one.key == key)


def _period(seconds: int) -> str:
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    count = seconds // size
    return unit if count == 1 else f"{count:,} {unit}s"
