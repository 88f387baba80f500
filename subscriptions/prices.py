"""What products cost."""

from decimal import ROUND_HALF_UP, Decimal

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from subscriptions.currencies import decimals_of, in_use
from subscriptions.products import Product

CALLS_PER_UNIT = 1000


def _is_of(*kinds: str, **figures: object) -> Q:
    return Q(kind__in=kinds, **figures)


class Price(models.Model):
    """The price of a product from a moment on, until its next one.

    Rows are added and never changed, so that a billing period can be charged again as it was.
    """

    class Kind(models.TextChoices):
        FREE = "free", _("Free")
        PER_MONTH = "perMonth", _("Per month")
        PER_CALLS = "perThousandCalls", _("Per 1,000 calls")
        PER_MONTH_AND_CALLS = "perMonthAndThousandCalls", _("Per month and per 1,000 calls")
        IN_WORDS = "inWords", _("In words")

    HAS_MONTHLY = frozenset({Kind.PER_MONTH, Kind.PER_MONTH_AND_CALLS})
    HAS_CALLS = frozenset({Kind.PER_CALLS, Kind.PER_MONTH_AND_CALLS})

    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="prices")
    since = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=30, choices=Kind.choices)
    currency = models.CharField(max_length=3, blank=True)
    per_month = models.DecimalField(
        max_digits=12, decimal_places=3, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    per_thousand_calls = models.DecimalField(
        _("per 1,000 calls"), max_digits=12, decimal_places=6, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    included_calls = models.PositiveBigIntegerField(
        null=True, blank=True, help_text=_("Each month so many calls cost nothing further.")
    )
    text = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        ordering = ["-since", "-pk"]
        indexes = [models.Index(name="price_product_since", fields=["product", "-since"])]
        constraints = [
            models.CheckConstraint(
                name="price_has_what_its_kind_says",
                condition=_is_of("free", "inWords", currency="", per_month=None, per_thousand_calls=None)
                | _is_of("perMonth", per_month__gt=0, per_month__isnull=False, per_thousand_calls=None)
                | _is_of("perThousandCalls", per_month=None, per_thousand_calls__gt=0, per_thousand_calls__isnull=False)
                | _is_of(
                    "perMonthAndThousandCalls",
                    per_month__gt=0,
                    per_month__isnull=False,
                    per_thousand_calls__gt=0,
                    per_thousand_calls__isnull=False,
                ),
                violation_error_message=_("The figures do not fit the kind of price."),
            ),
            models.CheckConstraint(
                name="price_has_a_currency_where_it_has_an_amount",
                condition=Q(per_month=None, per_thousand_calls=None) | ~Q(currency=""),
                violation_error_message=_("Give the currency of the price."),
            ),
            models.CheckConstraint(
                name="price_in_words_has_words",
                condition=~Q(kind="inWords", text=""),
                violation_error_message=_("Say what it costs, or whom to ask."),
            ),
            models.CheckConstraint(
                name="price_includes_calls_where_further_ones_cost",
                condition=Q(included_calls=None) | Q(per_thousand_calls__isnull=False),
                violation_error_message=_("Calls are included only where further ones have a price."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product}: {self.get_kind_display()}"

    @property
    def figures(self) -> tuple[object, ...]:
        """All that makes it another price than another one."""
        return (
            self.kind,
            self.currency,
            self.per_month,
            self.per_thousand_calls,
            self.included_calls,
            self.text,
        )

    def clean(self) -> None:
        """The figures that the kind needs are there, and no others."""
        errors: dict[str, str] = {}
        has_monthly, has_calls = self.kind in self.HAS_MONTHLY, self.kind in self.HAS_CALLS
        _check_amount(errors, "per_month", self.per_month, is_wanted=has_monthly)
        _check_amount(errors, "per_thousand_calls", self.per_thousand_calls, is_wanted=has_calls)
        if has_monthly or has_calls:
            if self.currency not in in_use():
                errors["currency"] = gettext("Give a currency by its three letters, such as EUR or USD.")
            elif self.per_month and _decimals(self.per_month) > decimals_of(self.currency):
                errors["per_month"] = gettext("Amounts in %(currency)s have at most %(count)d decimals.") % {
                    "currency": self.currency,
                    "count": decimals_of(self.currency),
                }
        elif self.currency:
            errors["currency"] = gettext("A price of this kind has no currency. Leave it empty.")
        if self.included_calls is not None and not has_calls:
            errors["included_calls"] = gettext("Calls are included only where further ones have a price.")
        if self.kind == self.Kind.IN_WORDS and not self.text:
            errors["text"] = gettext("Say what it costs, or whom to ask.")
        if errors:
            raise ValidationError(errors)


def _check_amount(errors: dict[str, str], field: str, amount: Decimal | None, *, is_wanted: bool) -> None:
    if is_wanted and not amount:
        errors[field] = gettext("Give an amount greater than zero, or choose another kind of price.")
    elif not is_wanted and amount is not None:
        errors[field] = gettext("A price of this kind has no such amount. Leave it empty.")


def _decimals(amount: Decimal) -> int:
    exponent = amount.normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def amount_due(price: Price | None, calls: int) -> Decimal | None:
    """What one subscription owes for one month with so many calls; None where no figures say it.

    Each call past the included ones costs a thousandth of the rate: no thousand is begun. The sum is
    rounded once, half up, to what the currency has.
    """
    if price is None or price.kind == Price.Kind.IN_WORDS:
        return None
    if price.kind == Price.Kind.FREE:
        return Decimal(0)
    charged = max(calls - (price.included_calls or 0), 0)
    amount = (price.per_month or Decimal(0)) + charged * (price.per_thousand_calls or Decimal(0)) / CALLS_PER_UNIT
    return amount.quantize(Decimal(1).scaleb(-decimals_of(price.currency)), rounding=ROUND_HALF_UP)
