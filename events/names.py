"""The names of events. Webhooks carry them, so a name that was published stays."""

SUBSCRIPTION_REQUESTED = "subscription.requested"
SUBSCRIPTION_ACTIVATED = "subscription.activated"
SUBSCRIPTION_RESUMED = "subscription.resumed"
SUBSCRIPTION_REJECTED = "subscription.rejected"
SUBSCRIPTION_SUSPENDED = "subscription.suspended"
SUBSCRIPTION_CANCELLED = "subscription.cancelled"
SUBSCRIPTION_EXPIRED = "subscription.expired"
