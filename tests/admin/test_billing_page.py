"""Usage for invoices in the administration."""

import csv
import io
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts.models import Team
from analytics.models import SubscriptionQuarter
from subscriptions import lifecycle, offering
from subscriptions.models import Price, Product, Subscription

PAGE = "/admin/subscriptions/product/billing/"


@pytest.fixture
def month() -> str:
    """The one that runs now."""
    return f"{timezone.now():%Y-%m}"


@pytest.fixture
def mine(starter, alice) -> Subscription:
    began_at = timezone.now() - timedelta(days=40)
    mine = lifecycle.subscribe(user=alice, product=starter, display_name="Mine", now=began_at)
    start = timezone.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    SubscriptionQuarter.objects.create(subscription_id=mine.pk, quarter=start, calls=1500, refused=9, bytes=77)
    return mine


def download(admin, **chosen) -> list[dict[str, str]]:
    answer = admin.get(PAGE, {"format": "csv", **chosen})
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))


def test_csv_has_a_line_for_each_subscription(admin, starter, mine, month):
    price = Price(kind="perThousandCalls", currency="EUR", per_thousand_calls=Decimal("0.40"), included_calls=1000)
    offering.set_price(starter, price)
    (line,) = download(admin, month=month, product=starter.pk)
    start = f"{month}-01T00:00:00+00:00"
    assert (line["subscription_id"], line["subscription"], line["owner"]) == (str(mine.pk), "Mine", "alice@example.org")
    assert (line["product"], line["period_start"], line["team"]) == ("Starter", start, "")
    assert (line["calls"], line["bytes"], line["price"], line["currency"]) == ("1500", "77", "perThousandCalls", "EUR")
    assert (line["included_calls"], Decimal(line["price_per_1000_calls"])) == ("1000", Decimal("0.4"))
    assert line["amount"] == "0.20"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝"])
def test_no_text_becomes_a_formula(admin, starter, mine, month, start):
    formula = f'{start}HYPERLINK("http://evil.example","1")'
    Subscription.objects.update(display_name=formula)
    Product.objects.filter(pk=starter.pk).update(display_name=formula)
    (line,) = download(admin, month=month)
    assert (line["subscription"], line["product"]) == (f"'{formula}", f"'{formula}")


def test_a_team_s_subscription_names_the_team(admin, mine, month):
    Subscription.objects.update(owner=None, team=Team.objects.create(name="Ours"))
    (line,) = download(admin, month=month)
    assert (line["owner"], line["team"]) == ("", "Ours")


def test_page_shows_what_the_csv_has(admin, starter, mine, month):
    offering.set_price(starter, Price(kind="perMonth", currency="EUR", per_month=Decimal("5")))
    page = admin.get(PAGE, {"month": month, "product": starter.pk}).text
    for word in ("Mine", "alice@example.org", "1500", "€5.00", "The month is not over yet"):
        assert word in page


def test_a_month_before_it_began_is_empty(admin, mine):
    before = f"{timezone.now() - timedelta(days=100):%Y-%m}"
    assert "No subscription was active" in admin.get(PAGE, {"month": before}).text
    assert download(admin, month=before) == []


def test_a_deleted_product_can_be_chosen(admin, starter, mine, month, admin_user):
    offering.delete_product(starter, by=admin_user, cancel_subscriptions=True)
    assert "Starter (deleted)" in admin.get(PAGE).text
    (line,) = download(admin, month=month, product=starter.pk)
    assert line["calls"] == "1500"


@pytest.mark.parametrize(
    "chosen", [{"month": "2026-13"}, {"month": "x"}, {"month": ""}, {"product": "x"}, {"product": "9" * 40}]
)
def test_what_is_no_choice_is_refused_beside_its_field(admin, mine, chosen):
    answer = admin.get(PAGE, {"format": "csv", **chosen})
    assert answer.status_code == 200
    assert not answer.streaming
    assert set(answer.context["form"].errors) == set(chosen)


def test_later_months_are_not_offered(admin, mine):
    later = timezone.now() + timedelta(days=32)
    assert "month" in admin.get(PAGE, {"month": f"{later:%Y-%m}"}).context["form"].errors


def test_owners_are_for_those_who_may_see_subscriptions(starter, alice, signed_in):
    alice.is_staff = True
    alice.save()
    alice.user_permissions.add(Permission.objects.get(codename="view_product"))
    assert signed_in(alice).get(PAGE).status_code == 403


@pytest.mark.parametrize("person", ["bob", "mallory"])
def test_developers_are_kept_out(service, person, request, signed_in):
    assert signed_in(request.getfixturevalue(person)).get(PAGE).status_code in (302, 403, 404)
