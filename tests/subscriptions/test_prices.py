"""What a product costs, and what a month of calls comes to."""

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from subscriptions import offering
from subscriptions.models import Price, Product
from subscriptions.prices import amount_due

Kind = Price.Kind


@pytest.fixture
def product(db) -> Product:
    return Product.objects.create(name="gold", display_name="Gold")


def price(kind, **fields) -> Price:
    for name in ("per_month", "per_thousand_calls"):
        if name in fields:
            fields[name] = Decimal(fields[name])
    return Price(kind=kind, **fields)


MONTHLY = price(Kind.PER_MONTH, currency="EUR", per_month="19.90")
METERED = price(Kind.PER_CALLS, currency="EUR", per_thousand_calls="0.4")
BOTH = price(Kind.PER_MONTH_AND_CALLS, currency="USD", per_month="10", per_thousand_calls="0.25", included_calls=50_000)


@pytest.mark.parametrize(
    ("priced", "calls", "amount"),
    [
        pytest.param(None, 5, None, id="no price is stated"),
        pytest.param(price(Kind.IN_WORDS, text="Talk to us"), 5, None, id="words have no figures"),
        pytest.param(price(Kind.FREE), 10**12, "0", id="free"),
        pytest.param(MONTHLY, 0, "19.90", id="a month without calls"),
        pytest.param(MONTHLY, 10**9, "19.90", id="a month with many calls"),
        pytest.param(METERED, 0, "0.00", id="no calls"),
        pytest.param(METERED, 1, "0.00", id="a call costs less than half a cent"),
        pytest.param(METERED, 12, "0.00", id="just below half a cent"),
        pytest.param(price(Kind.PER_CALLS, currency="EUR", per_thousand_calls="5"), 1, "0.01", id="half a cent is one"),
        pytest.param(METERED, 1000, "0.40", id="a thousand"),
        pytest.param(METERED, 1500, "0.60", id="no thousand is begun"),
        pytest.param(METERED, 10**15, "400000000000.00", id="very many"),
        pytest.param(BOTH, 50_000, "10.00", id="all calls are included"),
        pytest.param(BOTH, 50_001, "10.00", id="the first one that is not"),
        pytest.param(BOTH, 54_000, "11.00", id="four thousand further ones"),
        pytest.param(price(Kind.PER_CALLS, currency="JPY", per_thousand_calls="3"), 500, "2", id="a yen has no parts"),
        pytest.param(price(Kind.PER_CALLS, currency="KWD", per_thousand_calls="1"), 1, "0.001", id="a dinar has 1,000"),
    ],
)
def test_a_month_comes_to(priced, calls, amount):
    due = amount_due(priced, calls)
    assert (due if due is None else str(due)) == amount


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        pytest.param(price("weekly"), "kind", id="unknown kind"),
        pytest.param(price(Kind.FREE, currency="EUR"), "currency", id="free, in euros"),
        pytest.param(price(Kind.FREE, per_month="1"), "per_month", id="free, with an amount"),
        pytest.param(price(Kind.PER_MONTH, currency="EUR"), "per_month", id="no amount"),
        pytest.param(price(Kind.PER_MONTH, currency="EUR", per_month="0"), "per_month", id="nothing each month"),
        pytest.param(price(Kind.PER_MONTH, currency="EUR", per_month="-1"), "per_month", id="less than nothing"),
        pytest.param(price(Kind.PER_MONTH, currency="EUR", per_month="NaN"), "per_month", id="not a number"),
        pytest.param(price(Kind.PER_MONTH, currency="EUR", per_month="1.005"), "per_month", id="part of a cent"),
        pytest.param(price(Kind.PER_MONTH, currency="JPY", per_month="1.5"), "per_month", id="part of a yen"),
        pytest.param(price(Kind.PER_MONTH, per_month="1"), "currency", id="no currency"),
        pytest.param(price(Kind.PER_MONTH, currency="DEM", per_month="1"), "currency", id="a currency of the past"),
        pytest.param(price(Kind.PER_MONTH, currency="eur", per_month="1"), "currency", id="in small letters"),
        pytest.param(
            price(Kind.PER_MONTH, currency="EUR", per_month="1", per_thousand_calls="1"),
            "per_thousand_calls",
            id="two amounts for one",
        ),
        pytest.param(
            price(Kind.PER_MONTH, currency="EUR", per_month="1", included_calls=5),
            "included_calls",
            id="calls included where none cost anything",
        ),
        pytest.param(price(Kind.IN_WORDS), "text", id="no words"),
    ],
)
def test_a_price_is_refused_beside_the_field_that_is_wrong(product, wrong, field):
    with pytest.raises(ValidationError) as refused:
        offering.set_price(product, wrong)
    assert field in refused.value.message_dict
    assert product.price is None


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "free", "currency": "EUR"},
        {"kind": "perMonth", "currency": "EUR"},
        {"kind": "perMonth", "per_month": 1},
        {"kind": "perThousandCalls", "currency": "EUR", "per_thousand_calls": 0},
        {"kind": "inWords"},
        {"kind": "other"},
    ],
)
def test_the_database_refuses_figures_that_do_not_fit(product, fields):
    with pytest.raises(IntegrityError), transaction.atomic():
        Price.objects.create(product=product, **fields)


def test_a_new_price_is_kept_beside_the_one_before(product):
    offering.set_price(product, price(Kind.FREE))
    offering.set_price(product, price(Kind.PER_MONTH, currency="EUR", per_month="5"))
    assert [row.kind for row in product.prices.all()] == ["perMonth", "free"]
    assert product.price.per_month == 5


def test_saving_the_same_price_again_adds_none(product):
    for amount in ("5", "5.00"):
        offering.set_price(product, price(Kind.PER_MONTH, currency="EUR", per_month=amount))
    assert product.prices.count() == 1
