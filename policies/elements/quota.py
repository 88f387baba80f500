"""`<quota calls="100" bandwidth="40000" renewal-period="604800" />`: calls and kilobytes in a period, per subscription.

One of the two is enough. Bytes count in both directions, a kilobyte is 1,024 of them. Period 0 never
ends; others begin with their first call. APIs and operations may have quotas of their own in it, as
in `rate_limit`. Source: Azure's quota policy.
"""

from functools import partial

from gateway.configuration.snapshot import InnerQuota, Quota
from policies.attributes import optional_number, refuse_other_attributes, refuse_text, whole_number
from policies.document import Element
from policies.elements.inner_limits import parts_of
from policies.errors import _
from policies.policy import Policy, Scope, Section
from policies.references import References

# An integer in a structured field, such as RateLimit-Policy, has at most 15 digits (RFC 9651 3.3.1).
MAX_CALLS = 10**12
MAX_KILOBYTES = 9 * 10**11
MAX_PERIOD_SECONDS = 100 * 366 * 86_400
_LIMIT = ("calls", "bandwidth", "renewal-period")
_check_part = partial(refuse_other_attributes, known=("name", *_LIMIT))


def read(element: Element, references: References) -> Quota:
    refuse_other_attributes(element, known=_LIMIT)
    refuse_text(element)
    calls, kilobytes = _limits(element)
    period = whole_number(element, "renewal-period", low=0, high=MAX_PERIOD_SECONDS)
    return Quota(
        calls,
        period,
        kilobytes,
        inner=tuple(
            _inner(part.element, part.api, part.operation, period)
            for part in parts_of(element, references, _check_part)
        ),
    )


def _inner(element: Element, api: int, operation: int | None, period: int) -> InnerQuota:
    calls, kilobytes = _limits(element)
    own_period = optional_number(element, "renewal-period", low=0, high=MAX_PERIOD_SECONDS)
    return InnerQuota(api, operation, calls, period if own_period is None else own_period, kilobytes)


def _limits(element: Element) -> tuple[int | None, int | None]:
    """Calls and kilobytes, one of them at least."""
    calls = optional_number(element, "calls", low=1, high=MAX_CALLS)
    kilobytes = optional_number(element, "bandwidth", low=1, high=MAX_KILOBYTES)
    if calls is None and kilobytes is None:
        raise element.error(_("<%(element)s> needs the attribute 'calls' or 'bandwidth'"), element=element.name)
    return calls, kilobytes


POLICY = Policy(
    name="quota",
    sections=frozenset({Section.INBOUND}),
    scopes=frozenset({Scope.PRODUCT}),
    read=read,
    once_per_document=True,
)
