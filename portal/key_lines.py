"""A subscription's keys as its pages show them."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils import timezone

from subscriptions.models import Subscription, SubscriptionKey

Slot = SubscriptionKey.Slot


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One of the two keys; the one that it replaced, while that works on; and the key itself where it is to be seen."""

    row: SubscriptionKey
    old: SubscriptionKey | None
    clear: str

    @property
    def slot(self) -> Slot:
        return Slot(self.row.slot)


def key_lines(subscription: Subscription, revealed: Mapping[Slot, str] | None = None) -> list[KeyLine]:
    """One query, or none where the keys were fetched before."""
    rows = list(subscription.keys.all())
    now = timezone.now()
    old = {row.slot: row for row in rows if row.ends_at is not None and row.ends_at > now}
    current = {row.slot: row for row in rows if row.ends_at is None}
    clear = revealed or {}
    return [KeyLine(current[slot], old.get(slot), clear.get(slot, "")) for slot in Slot if slot in current]


def key_line(subscription: Subscription, slot: Slot, revealed: Mapping[Slot, str] | None = None) -> KeyLine:
    return next(line for line in key_lines(subscription, revealed) if line.slot == slot)
