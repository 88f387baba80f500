"""The administration's pages of insights: who is stuck, whose quota is full, what nobody calls."""

import csv
import io
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.utils import timezone

from accounts.models import User
from accounts.roles import Role, give
from analytics.models import FirstCall, InnerQuotaUse, QuotaUse
from apis.models import API
from policies.models import ProductPolicy
from subscriptions import lifecycle
from subscriptions.models import Subscription

FUNNEL, QUOTAS, UNCALLED = "/admin/insights/funnel/", "/admin/insights/quotas/", "/admin/insights/uncalled/"
DEPRECATED = "/admin/insights/deprecated/"
PAGES = [FUNNEL, QUOTAS, UNCALLED, DEPRECATED]


def sign_up(name: str, *, verified: bool = True, days_ago: float = 1, **fields) -> User:
    at = timezone.now() - timedelta(days=days_ago)
    user = User.objects.create(email=f"{name}@example.org", registered_at=at, **fields)
    EmailAddress.objects.create(user=user, email=user.email, verified=verified, primary=True)
    return user


def table_of(answer) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))


@pytest.mark.parametrize("page", PAGES)
def test_page_is_for_staff_who_may_see_usage(page, service, signed_in, alice, bob, client):
    assert client.get(page).status_code == 302
    assert signed_in(alice).get(page).status_code in (302, 403)
    give(bob, Role.SUPPORT)
    assert signed_in(bob).get(page).status_code == 200


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "query",
    ["period=x", "period=custom&from=2&to=%00", "step=9", "step=x", "level=x", "product=x", "product=999999999999999",
     "q=%00'", "days=x", "days=-1", "page=x", "page=999", "apis=x", "format=x"],
)  # fmt: skip
def test_any_query_is_answered(page, query, admin):
    assert admin.get(f"{page}?{query}").status_code == 200


class TestFunnel:
    def test_shows_counts_and_who_is_stuck(self, admin, starter):
        sign_up("unconfirmed", verified=False)
        sign_up("idle")
        caller = sign_up("caller")
        row = lifecycle.create(display_name="S", by=caller, owner=caller, product=starter)
        FirstCall.objects.create(subscription=row, called_at=timezone.now())
        page = admin.get(FUNNEL).content.decode()
        for text in ("1 have not confirmed the address", "1 have no subscription", "0 have never called", "66.7 %"):
            assert text in page
        assert "caller@example.org" in admin.get(FUNNEL, {"step": "3"}).content.decode()
        stuck = admin.get(FUNNEL, {"step": "0"}).content.decode()
        assert "unconfirmed@example.org" in stuck
        assert "idle@example.org" not in stuck

    def test_says_what_waits_for_an_administrator(self, admin, starter):
        sign_up("pending", state=User.State.PENDING, waiting_since=timezone.now())
        asks = sign_up("asks")
        request = Subscription.objects.create(display_name="S", product=starter, owner=asks, state="submitted")
        page = admin.get(FUNNEL, {"step": "1"}).content.decode()
        assert "Waits for you to approve the account" in page
        assert f"/admin/subscriptions/subscription/{request.pk}/change/" in page

    def test_pages_of_many_and_the_period_stay(self, admin):
        for number in range(60):
            sign_up(f"u{number:02}", days_ago=1 + number / 100)
        sign_up("early", days_ago=50)
        first = admin.get(FUNNEL, {"period": "30d", "step": "1"})
        second = admin.get(FUNNEL, {"period": "30d", "step": "1", "page": "2"})
        assert [len(answer.context["people"]) for answer in (first, second)] == [50, 10]
        assert "?period=30d&amp;step=1&amp;page=2" in first.content.decode()
        assert "early@" in admin.get(FUNNEL, {"period": "90d", "step": "1", "page": "2"}).content.decode()

    def test_file_has_everybody_with_each_step(self, admin, starter):
        user = sign_up("=cmd")
        row = lifecycle.create(display_name="S", by=user, owner=user, product=starter)
        FirstCall.objects.create(subscription=row, called_at=timezone.now(), succeeded_at=timezone.now())
        head, line = table_of(admin.get(FUNNEL, {"format": "csv"}))
        values = dict(zip(head, line, strict=True))
        assert values["email"] == "'=cmd@example.org"
        assert values["furthest_step"] == "succeeded"
        assert values["first_success_at"]


class TestQuotas:
    @pytest.fixture
    def used(self, starter):
        """`used(80)` uses so many of starter's 100 calls a week."""

        def use(name: str, calls: int) -> Subscription:
            owner = sign_up(name)
            row = lifecycle.create(display_name=f"App of {name}", by=owner, owner=owner, product=starter)
            QuotaUse.objects.create(
                subscription_id=row.pk, product_id=starter.pk, period_start=timezone.now(), calls=calls
            )
            return row

        return use

    def shown(self, admin, **query) -> list[str]:
        return [one["subscription"].display_name for one in admin.get(QUOTAS, query).context["stands"]]

    def test_most_used_first_and_filtered(self, admin, used, starter):
        for name, calls in (("a", 10), ("b", 100), ("c", 85)):
            used(name, calls)
        assert self.shown(admin) == ["App of b", "App of c", "App of a"]
        assert self.shown(admin, level="80") == ["App of b", "App of c"]
        assert self.shown(admin, level="100") == ["App of b"]
        assert self.shown(admin, q="C@example") == ["App of c"]
        assert self.shown(admin, product=str(starter.pk), level="80") == ["App of b", "App of c"]

    def test_tells_used_left_and_marks(self, admin, used):
        used("b", 100)
        used("c", 85)
        page = admin.get(QUOTAS).content.decode()
        for text in ("85 %", "85 of 100", '<td class="insights__number">15</td>', "nearly used", "used up"):
            assert text in page

    def test_file(self, admin, used):
        used("c", 85)
        head, line = table_of(admin.get(QUOTAS, {"format": "csv"}))
        values = dict(zip(head, line, strict=True))
        assert (values["percent"], values["calls_used"], values["calls_quota"]) == ("85.0", "85", "100")

    def test_quota_of_an_operation_has_a_line_of_its_own(self, admin, used, starter, api, operation):
        row = used("c", 10)
        starter.apis.add(api)
        document = """<policies><inbound><quota calls="100" renewal-period="604800"><api name="AzureML Demo API"
            calls="50"><operation name="Status" calls="20" /></api></quota></inbound></policies>"""
        ProductPolicy.objects.update_or_create(product=starter, defaults={"document": document})
        scope = {"product_id": starter.pk, "api_id": api.pk, "operation_id": operation.pk}
        InnerQuotaUse.objects.create(subscription=row, **scope, period_start=timezone.now(), calls=19)
        assert "AzureML Demo API: Status" in admin.get(QUOTAS, {"level": "80"}).content.decode()
        head, *lines = table_of(admin.get(QUOTAS, {"format": "csv"}))
        values = [dict(zip(head, line, strict=True)) for line in lines]
        assert [(one["api"], one["operation"], one["percent"], one["calls_quota"]) for one in values] == [
            ("AzureML Demo API", "Status", "95.0", "20"),
            ("", "", "10.0", "100"),
        ]
        start = admin.get("/admin/").content.decode()
        assert "Starter: AzureML Demo API: Status" in start
        assert "95% of 20 calls" in start

    def test_start_page_leads_here(self, admin, used):
        used("c", 85)
        assert f'href="{QUOTAS}?level=80"' in admin.get("/admin/").content.decode()


def test_uncalled_api_is_listed_with_who_could_call_it(admin, api, starter, alice):
    API.objects.filter(pk=api.pk).update(created_at=timezone.now() - timedelta(days=100))
    starter.apis.add(api)
    for number in range(5):
        lifecycle.create(display_name=f"App {number}", by=alice, owner=alice, product=starter)
    page = admin.get(UNCALLED).content.decode()
    assert "AzureML Demo API" in page
    assert "App 0</a> (alice@example.org)" in page
    assert "and 2 more" in page
    page = admin.get(UNCALLED, {"days": "365"}).content.decode()
    assert "AzureML Demo API" not in page
    assert "None." in page


@pytest.mark.parametrize("format", ["csv", "json", "parquet"])
def test_what_nobody_calls_is_exported(admin, api, starter, alice, format):
    API.objects.filter(pk=api.pk).update(created_at=timezone.now() - timedelta(days=100))
    starter.apis.add(api)
    row = lifecycle.create(display_name="=cmd", by=alice, owner=alice, product=starter)
    Subscription.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(days=100))
    answer = admin.get(UNCALLED, {"format": format, "days": "30"})
    assert f"not-called-for-30-days.{format}" in answer["Content-Disposition"]
    if format != "csv":
        assert b"AzureML Demo API" in b"".join(answer.streaming_content)
        return
    head, *lines = table_of(answer)
    found = {values["kind"]: values for line in lines if (values := dict(zip(head, line, strict=True)))}
    assert (found["api"]["name"], found["api"]["subscriptions"]) == ("AzureML Demo API", "1")
    assert found["product"]["subscriptions"] == "1"
    assert (found["subscription"]["name"], found["subscription"]["belongs_to"]) == ("'=cmd", "alice@example.org")


@pytest.mark.parametrize("page", PAGES)
def test_each_page_offers_its_tables_as_files(page, admin, starter):
    sign_up("somebody")
    shown = admin.get(page).content.decode()
    for format in ("csv", "json", "parquet"):
        assert f'name="format" value="{format}"' in shown
        assert b"".join(admin.get(page, {"format": format}).streaming_content)
