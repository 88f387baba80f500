"""`<quota calls="100" renewal-period="604800" />`: so many calls in a fixed period, per subscription.

Source: Azure's access restriction policies. Period 0 never ends. The period begins with its first call.
"""

from gateway.snapshot import Quota
from policies.attributes import refuse_children, refuse_other_attributes, refuse_text, whole_number
from policies.document import Element
from policies.policy import Policy, Scope, Section

MAX_CALLS = 10**12
MAX_PERIOD_SECONDS = 100 * 366 * 86_400


def read(element: Element) -> Quota:
    refuse_other_attributes(element, known=("calls", "renewal-period"), not_supported=("bandwidth",))
    refuse_text(element)
    refuse_children(element, not_supported=("api",))
    return Quota(
        calls=whole_number(element, "calls", low=1, high=MAX_CALLS),
        renewal_period_seconds=whole_number(element, "renewal-period", low=0, high=MAX_PERIOD_SECONDS),
    )


POLICY = Policy(
    name="quota",
    sections=frozenset({Section.INBOUND}),
    scopes=frozenset({Scope.PRODUCT}),
    read=read,
    once_per_document=True,
)
