"""A product's limits in plain words."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, ngettext_lazy

from gateway.configuration.snapshot import InnerQuota, InnerRateLimit, Quota, RateLimit
from policies.compiler import PolicyError, compile_product_policy
from policies.models import ProductPolicy
from policies.product_names import ProductNames
from subscriptions.models import Product

Limit = RateLimit | Quota | InnerRateLimit | InnerQuota

logger = logging.getLogger(__name__)

_PERIODS = (
    (604_800, ngettext_lazy("per week", "per %(count)s weeks")),
    (86_400, ngettext_lazy("per day", "per %(count)s days")),
    (3600, ngettext_lazy("per hour", "per %(count)s hours")),
    (60, ngettext_lazy("per minute", "per %(count)s minutes")),
    (1, ngettext_lazy("per second", "per %(count)s seconds")),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """A product's limits in words; empty where there is none. `inner` are those of APIs and operations."""

    rate: str = ""
    quota: str = ""
    inner: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[str]:
        return (limit for limit in (self.rate, self.quota, *self.inner) if limit)

    def __bool__(self) -> bool:
        return any(self)


def limits_of(product: Product) -> Limits:
    """Such as "5 calls per minute", "100 calls per week"."""
    names = ProductNames(product.pk)
    try:
        policy = compile_product_policy(product.policy.document, names, missing=lambda _: None)
    except ProductPolicy.DoesNotExist:
        return Limits()
    except PolicyError:
        logger.exception("The policy of product %s does not compile.", product.pk)
        return Limits(_("Limits on calls: ask the administrators"))
    limits = [limit for limit in (policy.rate_limit, policy.quota) if limit is not None]
    return Limits(
        rate=calls_per_period(policy.rate_limit) if policy.rate_limit is not None else "",
        quota=calls_per_period(policy.quota) if policy.quota is not None else "",
        inner=tuple(
            _("%(limit)s of %(name)s") % {"limit": calls_per_period(one), "name": _name_of(one, names)}
            for limit in limits
            for one in limit.inner
        ),
    )


def calls_per_period(limit: Limit) -> str:
    """`5 calls per minute`; a period of 0 seconds never ends."""
    calls = "" if limit.calls is None else _calls(limit.calls)
    size = ""
    if isinstance(limit, Quota | InnerQuota) and limit.kilobytes is not None:
        size = _("%(count)s KB") % {"count": number_format(limit.kilobytes, force_grouping=True)}
    amount = _("%(calls)s and %(size)s") % {"calls": calls, "size": size} if calls and size else calls or size
    return _("%(amount)s %(period)s") % {"amount": amount, "period": _period(limit.renewal_period_seconds)}


def _calls(count: int) -> str:
    return ngettext("%(count)s call", "%(count)s calls", count) % {"count": number_format(count, force_grouping=True)}


def _name_of(limit: InnerRateLimit | InnerQuota, names: ProductNames) -> str:
    among = names.apis() if limit.operation is None else names.operations(limit.api)
    key = limit.api if limit.operation is None else limit.operation
    return next(one.display_name for one in among if one.key == key)


def _period(seconds: int) -> str:
    if not seconds:
        return _("in all")
    size, words = next((size, words) for size, words in _PERIODS if seconds % size == 0)
    count = seconds // size
    return str(words % count % {"count": number_format(count, force_grouping=True)})
