"""What exactly refused a call: the most that the gateway knows at that moment, for its record."""

from typing import Literal, TypeAlias

import msgspec

Why: TypeAlias = Literal[
    "missing", "unknown", "differing", "too-long", "inactive", "expired", "replaced", "not-in-product", "other-api"
]
NoRoute: TypeAlias = Literal["malformed", "no-api", "no-operation", "dot-segments", "scheme"]


class LimitReached(msgspec.Struct, frozen=True, array_like=True, tag="limit"):
    """`scope_id` is the product's, API's or operation's. Calls pass again after `retry_after_seconds`, if ever."""

    policy: Literal["rate-limit", "quota"]
    scope: Literal["product", "api", "operation"]
    scope_id: int
    counts: Literal["calls", "bytes"]
    limit: int
    period_seconds: int
    retry_after_seconds: int | None


class KeyRefused(msgspec.Struct, frozen=True, array_like=True, tag="key"):
    """Why the key that was sent, or none, opened nothing.

    `state` says what a subscription is that is not active; `owner` where it is its owner who is not.
    `ended_at` is the Unix time at which the subscription or the key ended.
    """

    reason: Why
    state: str = ""
    ended_at: float | None = None


class NotRouted(msgspec.Struct, frozen=True, array_like=True, tag="route"):
    """Why the URL leads to no operation; `detail` is what the caller was told of a malformed one."""

    reason: NoRoute
    detail: str = ""


Cause: TypeAlias = LimitReached | KeyRefused | NotRouted
