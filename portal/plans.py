"""What a product offers at which price, in the reader's words: for cards and the comparison of products."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from babel import Locale
from babel.numbers import format_currency, format_decimal
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language, to_locale
from django.utils.translation import gettext as _

from accounts.models import Viewer
from analytics.billing import Bill, Period, bill_of
from portal.limits import Limits, limits_of
from subscriptions.models import Price, Product, Subscription

State = Subscription.State


@dataclass(frozen=True, slots=True)
class PriceInWords:
    """Such as "€10.00", "per month", "50,000 calls a month included", "€0.40 per 1,000 further calls"."""

    headline: str
    unit: str = ""
    included: str = ""
    rate: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """A product as a viewer sees it; `own` are the states of the live subscriptions that he has to it."""

    product: Product
    price: PriceInWords | None
    limits: Limits
    own: frozenset[str]

    @property
    def is_subscribed(self) -> bool:
        return State.ACTIVE in self.own

    @property
    def is_pending(self) -> bool:
        return State.SUBMITTED in self.own

    @property
    def invites(self) -> bool:
        """Whether it is for him to subscribe; who has a subscription finds a second one on the product's page."""
        return self.product.subscription_required and not self.own


def offers_to(viewer: Viewer, *, count: int | None = None) -> list[Offer]:
    """The products that a viewer may see, in their order."""
    shown = Product.objects.visible_to(viewer).prefetch_related("apis", "prices").select_related("policy")
    products = list(shown[:count])
    own = _own_states(viewer, products)
    return [
        Offer(product, price_in_words(product.price), limits_of(product), frozenset(own[product.pk]))
        for product in products
    ]


def _own_states(viewer: Viewer, products: Iterable[Product]) -> dict[int | None, set[str]]:
    """The states of the viewer's live subscriptions and those of his teams, by product."""
    states: defaultdict[int | None, set[str]] = defaultdict(set)
    if viewer.is_authenticated:
        live = Subscription.objects.of(viewer).live().filter(product__in=products)
        for product, state in live.order_by().values_list("product", "state").distinct():
            states[product].add(state)
    return states


def price_in_words(price: Price | None) -> PriceInWords | None:
    if price is None:
        return None
    if price.kind == Price.Kind.IN_WORDS:
        return PriceInWords(price.text)
    if price.kind == Price.Kind.FREE:
        return PriceInWords(_("Free"), note=price.text)
    included = _included(price)
    rate = money(price.per_thousand_calls, price.currency)
    if price.per_month is None:
        return PriceInWords(rate, _("per 1,000 calls"), included=included, note=price.text)
    return PriceInWords(
        money(price.per_month, price.currency), _("per month"), included, _rate(rate, included), note=price.text
    )


@dataclass(frozen=True, slots=True)
class MonthInWords:
    """What a subscription has used in a month; `amount` is empty where no figures say what it costs."""

    name: str
    calls: str
    price: PriceInWords
    amount: str


def month_in_words(subscription: Subscription, now: datetime) -> MonthInWords | None:
    """Of the running month, by the time zone of bills; None where no price is stated."""
    bill = bill_of(subscription, Period.around(now, timezone.get_default_timezone()))
    price = price_in_words(bill.price) if bill is not None else None
    if bill is None or price is None:
        return None
    return MonthInWords(date_format(bill.period.start, "F Y"), number(bill.calls), price, amount_in_words(bill))


def amount_in_words(bill: Bill) -> str:
    if bill.price is None or bill.amount is None:
        return ""
    return money(bill.amount, bill.price.currency) if bill.price.currency else _("Free")


def _included(price: Price) -> str:
    if not price.included_calls:
        return ""
    return _("%(calls)s calls a month included") % {"calls": number(price.included_calls)}


def _rate(rate: str, included: str) -> str:
    if not rate:
        return ""
    if included:
        return _("%(amount)s per 1,000 further calls") % {"amount": rate}
    return _("%(amount)s per 1,000 calls") % {"amount": rate}


def money(amount: Decimal | None, currency: str) -> str:
    """All of its digits, and at least those that the currency has; empty where there is no amount."""
    if amount is None:
        return ""
    return format_currency(amount.normalize(), currency, locale=_locale(), decimal_quantization=False)


def number(value: int) -> str:
    return format_decimal(value, locale=_locale())


def _locale() -> Locale:
    return Locale.parse(to_locale(get_language() or "en"))
