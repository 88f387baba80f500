"""`<rate-limit calls="5" renewal-period="60" />`: so many calls in any such span, per subscription.

APIs and operations may have limits of their own in it: `<api name="Echo" calls="3"><operation
id="submit" calls="1" renewal-period="10" /></api>`, with the product's period where they name none.
Source: Azure's rate-limit policy. The period has at most 300 seconds.
"""

from functools import partial

from gateway.configuration.snapshot import InnerRateLimit, RateLimit
from policies.attributes import header_names, optional_number, refuse_other_attributes, refuse_text, whole_number
from policies.document import Element
from policies.elements.inner_limits import parts_of
from policies.policy import Policy, Scope, Section
from policies.references import References

MAX_CALLS = 1_000_000
MAX_PERIOD_SECONDS = 300
_HEADERS = {
    "retry-after-header-name": "Retry-After",
    "remaining-calls-header-name": "",
    "total-calls-header-name": "",
}
_LIMIT = ("calls", "renewal-period")
_check_part = partial(refuse_other_attributes, known=("name", *_LIMIT))


def read(element: Element, references: References) -> RateLimit:
    refuse_other_attributes(
        element,
        known=(*_LIMIT, *_HEADERS),
        not_supported=("retry-after-variable-name", "remaining-calls-variable-name"),
    )
    refuse_text(element)
    calls = _calls(element)
    period = whole_number(element, "renewal-period", low=1, high=MAX_PERIOD_SECONDS)
    retry_after, remaining_calls, total_calls = header_names(element, _HEADERS)
    return RateLimit(
        calls,
        period,
        retry_after,
        remaining_calls,
        total_calls,
        inner=tuple(
            InnerRateLimit(
                part.api,
                part.operation,
                _calls(part.element),
                optional_number(part.element, "renewal-period", low=1, high=MAX_PERIOD_SECONDS) or period,
            )
            for part in parts_of(element, references, _check_part)
        ),
    )


def _calls(element: Element) -> int:
    return whole_number(element, "calls", low=1, high=MAX_CALLS)


POLICY = Policy(
    name="rate-limit",
    sections=frozenset({Section.INBOUND}),
    scopes=frozenset({Scope.PRODUCT, Scope.API, Scope.OPERATION}),
    read=read,
    once_per_document=True,
)
