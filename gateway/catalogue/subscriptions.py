"""The subscriptions that are served: each can be replaced while calls go on."""

from collections.abc import Iterable

from gateway.configuration.snapshot import Subscription


class Subscriptions:
    """`by_key` finds them by the digests of their keys, old ones too, `by_id` by their ids.

    Both change only in the event loop's thread, so that a call sees a subscription before or after
    a change, and never half of it. The cost of a change does not depend on how many there are.
    """

    __slots__ = ("by_id", "by_key")

    def __init__(self, subscriptions: Iterable[Subscription] = ()) -> None:
        self.by_id: dict[bytes, Subscription] = {}
        self.by_key: dict[bytes, Subscription] = {}
        for subscription in subscriptions:
            self.put(subscription)

    def put(self, subscription: Subscription) -> None:
        before = self.by_id.get(subscription.id)
        self.by_id[subscription.id] = subscription
        for key in subscription.keys:
            self.by_key[key] = subscription
        for key, _ in subscription.old_keys:
            self.by_key[key] = subscription
        if before is not None and before is not subscription:
            self._forget_keys(before)

    def remove(self, subscription: bytes) -> None:
        before = self.by_id.pop(subscription, None)
        if before is not None:
            self._forget_keys(before)

    def _forget_keys(self, before: Subscription) -> None:
        """A key may have moved to another subscription meanwhile, or to the one that replaces it."""
        for key in (*before.keys, *(key for key, _ in before.old_keys)):
            if self.by_key.get(key) is before:
                del self.by_key[key]
