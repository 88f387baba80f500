"""A product's limits in plain words."""

import logging

from gateway.snapshot import Quota, RateLimit
from policies.compiler import PolicyError, compile_product_policy
from policies.models import ProductPolicy
from subscriptions.models import Product

logger = logging.getLogger(__name__)

_UNITS = ((604_800, "week"), (86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def limits_of(product: Product) -> list[str]:
    """Such as ["5 calls per minute", "100 calls per week"]; empty where calls are not limited."""
    try:
        policy = compile_product_policy(product.policy.document)
    except ProductPolicy.DoesNotExist:
        return []
    except PolicyError:
        logger.exception("The policy of product %s does not compile.", product.pk)
        return ["Limits on calls: ask the administrators"]
    return [calls_per_period(limit) for limit in (policy.rate_limit, policy.quota) if limit is not None]


def calls_per_period(limit: RateLimit | Quota) -> str:
    """`5 calls per minute`; a period of 0 seconds never ends."""
    calls = f"{limit.calls:,} {'call' if limit.calls == 1 else 'calls'}"
    seconds = limit.renewal_period_seconds
    return f"{calls} per {_period(seconds)}" if seconds else f"{calls} in all"


def _period(seconds: int) -> str:
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    count = seconds // size
    return unit if count == 1 else f"{count:,} {unit}s"
