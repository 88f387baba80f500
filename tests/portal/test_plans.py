"""Prices in the reader's words, on cards, in the comparison and on a product's page."""

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from analytics.models import SubscriptionQuarter
from portal.plans import price_in_words
from subscriptions import lifecycle, offering
from subscriptions.models import Price, Product

BOTH = {
    "kind": "perMonthAndThousandCalls",
    "currency": "EUR",
    "per_month": Decimal("1250"),
    "per_thousand_calls": Decimal("0.0005"),
    "included_calls": 50_000,
    "text": "Without VAT",
}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        pytest.param({"kind": "free"}, ["Free"], id="free"),
        pytest.param({"kind": "inWords", "text": "Talk to us"}, ["Talk to us"], id="in words"),
        pytest.param(
            {"kind": "perMonth", "currency": "USD", "per_month": Decimal("9.9")}, ["$9.90", "per month"], id="month"
        ),
        pytest.param(
            {"kind": "perThousandCalls", "currency": "JPY", "per_thousand_calls": Decimal("20")},
            ["¥20", "per 1,000 calls"],
            id="calls, in a currency without decimals",
        ),
        pytest.param(
            BOTH,
            [
                "€1,250.00",
                "per month",
                "50,000 calls a month included",
                "€0.0005 per 1,000 further calls",
                "Without VAT",
            ],
            id="both",
        ),
        pytest.param(
            BOTH | {"included_calls": None},
            ["€1,250.00", "per month", "€0.0005 per 1,000 calls", "Without VAT"],
            id="both, with nothing included",
        ),
    ],
)
def test_a_price_in_words(fields, words):
    said = price_in_words(Price(**fields))
    assert [part for part in (said.headline, said.unit, said.included, said.rate, said.note) if part] == words


def test_figures_are_written_as_in_the_reader_s_language():
    with translation.override("de"):
        assert price_in_words(Price(**BOTH)).headline == "1.250,00\xa0€"


def test_a_product_without_a_price_says_none(starter):
    assert price_in_words(starter.price) is None
    assert "price__headline" not in Client().get("/products/").text


def test_cards_and_the_product_s_page_tell_the_price(starter):
    offering.set_price(starter, Price(**BOTH))
    for path in ("/", "/products/", "/products/starter/"):
        assert "€1,250.00" in Client().get(path).text


def test_one_product_is_compared_with_nothing(starter):
    assert "Compare" not in Client().get("/products/").text


def test_two_products_are_compared(starter, api):
    gold = Product.objects.create(name="gold", display_name="Gold", state="published", approval_required=True)
    gold.groups.set(starter.groups.all())
    page = Client().get("/products/").text
    table = page[page.index("<table") : page.index("</table>")]
    for word in (
        "Starter",
        "Gold",
        "5 calls per minute",
        "100 calls per week",
        "No limit",
        "After approval",
        "Echo API",
    ):
        assert word in table


def test_what_a_developer_has_takes_the_button_away(starter, partners, alice, signed_in):
    Product.objects.update(approval_required=True)
    client = signed_in(alice)
    assert "Request access" in client.get("/products/").text
    for product in (starter, partners):
        lifecycle.subscribe(user=alice, product=product, display_name="Mine")
    page = client.get("/products/").text
    assert page.count("Your request waits for approval") == 2
    assert "Request access" not in page


def test_products_come_in_their_order(starter, partners, alice, signed_in):
    for position, product in enumerate((partners, starter)):
        Product.objects.filter(pk=product.pk).update(position=position)
    page = signed_in(alice).get("/products/").text
    assert page.index("/products/partners/") < page.index("/products/starter/")


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "{{ 7 }}", "x" * 200])
def test_words_of_a_price_are_only_words(starter, text):
    offering.set_price(starter, Price(kind="inWords", text=text))
    page = Client().get("/products/").text
    assert "<script>alert" not in page
    assert text in page or "&lt;script&gt;" in page


def test_developer_sees_what_the_month_costs_so_far(starter, alice, signed_in):
    mine = lifecycle.subscribe(user=alice, product=starter, display_name="Mine")
    url = reverse("portal:subscription", args=[mine.pk])
    assert "So far in" not in signed_in(alice).get(url).text
    offering.set_price(starter, Price(kind="perThousandCalls", currency="EUR", per_thousand_calls=Decimal("2")))
    start = timezone.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    SubscriptionQuarter.objects.create(subscription_id=mine.pk, quarter=start, calls=1500)
    page = signed_in(alice).get(url).text
    assert "1,500 calls, €3.00." in page
    assert "€2.00" in page
