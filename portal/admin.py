"""What Django's admin finds when it looks for each app's `admin` module."""

from portal.administration import (
    backends,
    calls,
    catalogue,
    custom_fields,
    door,
    groups,
    identity_providers,
    invitations,
    operations,
    outbox,
    people,
    portal_settings,
    products,
    service,
    subscriptions,
    teams,
)

__all__ = [
    "backends",
    "calls",
    "catalogue",
    "custom_fields",
    "door",
    "groups",
    "identity_providers",
    "invitations",
    "operations",
    "outbox",
    "people",
    "portal_settings",
    "products",
    "service",
    "subscriptions",
    "teams",
]
