"""From the rows of subscriptions, their keys and their owners to those of the gateway's snapshot."""

from collections import defaultdict
from typing import Any

from django.db.models import CharField, Q
from django.db.models.functions import Cast

from accounts.models import User
from gateway.configuration.snapshot import Subscription
from publisher import watched
from publisher.changes import Changed
from publisher.watched import Watched
from subscriptions.models import Subscription as SubscriptionRow

_EVERY = Q()


def read_subscriptions() -> tuple[Subscription, ...]:
    """All of them, for a record names the subscription of a key that was refused too. Two queries."""
    return _read(of_subscription=_EVERY, of_key=_EVERY)


def read_some_subscriptions(changed: Changed) -> tuple[Subscription, ...]:
    """Those that are named, and all of the owners. Two queries, or none."""
    ids, owners = changed
    if not ids and not owners:
        return ()
    return _read(
        of_subscription=Q(pk__in=ids) | Q(owner__in=owners),
        of_key=Q(subscription__in=ids) | Q(subscription__owner__in=owners),
    )


def _read(*, of_subscription: Q, of_key: Q) -> tuple[Subscription, ...]:
    """There can be 100,000. So ids stay text, as converting them would take longer than all the rest,
    and rows come in no order.
    """
    keys: dict[str, list[bytes]] = defaultdict(list)
    old_keys: dict[str, list[tuple[bytes, float]]] = defaultdict(list)
    for subscription, digest, ends_at in _rows(
        watched.SUBSCRIPTION_KEY, of_key, _as_text("subscription"), "digest", "ends_at"
    ):
        if ends_at is None:
            keys[subscription].append(bytes.fromhex(digest))
        else:
            old_keys[subscription].append((bytes.fromhex(digest), ends_at.timestamp()))
    active, usable = SubscriptionRow.State.ACTIVE.value, (None, User.State.ACTIVE.value)
    return tuple(
        Subscription(
            id=bytes.fromhex(pk.replace("-", "")),
            owner=owner,
            product=product,
            api=api,
            is_active=state == active and owner_state in usable,
            expires_at=expires_at.timestamp() if expires_at is not None else None,
            keys=tuple(sorted(keys[pk])),
            allow_tracing=allow_tracing,
            old_keys=tuple(sorted(old_keys[pk])) if pk in old_keys else (),
            inactive_because=state if state != active else "" if owner_state in usable else "owner",
        )
        for pk, owner, owner_state, product, api, state, expires_at, allow_tracing in _rows(
            watched.SUBSCRIPTION,
            of_subscription,
            _as_text("pk"),
            "owner",
            "owner__state",
            "product",
            "api",
            "state",
            "expires_at",
            "allow_tracing",
        )
    )


def _rows(source: Watched, which: Q, *fields: str | Cast) -> Any:
    return source.model._default_manager.filter(which).order_by().values_list(*fields).iterator(chunk_size=10_000)


def _as_text(field: str) -> Cast:
    return Cast(field, CharField())
