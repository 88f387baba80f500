"""What one worker tells of the limits of subscriptions when it is asked."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gateway.limits.standing import SubscriptionLimits, standing

if TYPE_CHECKING:
    from gateway.server import Server


async def worker_limits(server: "Server", subscriptions: Iterable[bytes]) -> dict[bytes, SubscriptionLimits]:
    """Those that the gateway serves; others are left out. Waits for shared counters as long as a call would."""
    found = {}
    for subscription in subscriptions:
        limits = await _limits_of(server, subscription)
        if limits is not None:
            found[subscription] = limits
    return found


async def _limits_of(server: "Server", subscription: bytes) -> SubscriptionLimits | None:
    catalogue = server.catalogue
    row = catalogue.subscriptions.by_id.get(subscription) if catalogue is not None else None
    if catalogue is None or row is None:
        return None
    limits = catalogue.limits.get(row.product) if row.product is not None else None
    if limits is None:
        return SubscriptionLimits()
    rates, quotas = tuple(limits.rates.values()), tuple(limits.quotas.values())
    if server.shared_counters is not None:
        return standing(limits, await server.shared_counters.look(rates, quotas, subscription))
    return standing(limits, server.counters.look(rates, quotas, subscription, time.time()))
