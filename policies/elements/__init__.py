"""The policies: one module each, registered under the name of its XML element."""

from policies.elements import quota, rate_limit
from policies.policy import Policy

REGISTRY: dict[str, Policy] = {policy.name: policy for policy in (rate_limit.POLICY, quota.POLICY)}
