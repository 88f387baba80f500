"""`<rate-limit calls="5" renewal-period="60" />`: so many calls in any such span, per subscription.

Source: Azure's access restriction policies. The period has at most 300 seconds.
"""

from gateway.snapshot import RateLimit
from policies.attributes import header_name, refuse_children, refuse_other_attributes, refuse_text, whole_number
from policies.document import Element
from policies.policy import Policy, Scope, Section

MAX_CALLS = 1_000_000
MAX_PERIOD_SECONDS = 300


def read(element: Element) -> RateLimit:
    refuse_other_attributes(
        element,
        known=("calls", "renewal-period", "retry-after-header-name"),
        not_supported=(
            "retry-after-variable-name",
            "remaining-calls-header-name",
            "remaining-calls-variable-name",
            "total-calls-header-name",
        ),
    )
    refuse_text(element)
    refuse_children(element, not_supported=("api",))
    return RateLimit(
        calls=whole_number(element, "calls", low=1, high=MAX_CALLS),
        renewal_period_seconds=whole_number(element, "renewal-period", low=1, high=MAX_PERIOD_SECONDS),
        retry_after_header_name=header_name(element, "retry-after-header-name", default="Retry-After"),
    )


POLICY = Policy(
    name="rate-limit",
    sections=frozenset({Section.INBOUND}),
    scopes=frozenset({Scope.PRODUCT, Scope.API, Scope.OPERATION}),
    read=read,
    once_per_document=True,
)
