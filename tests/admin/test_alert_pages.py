"""The administration's pages of alert rules."""

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.roles import Role, give
from alerts.models import AlertChange, AlertRule
from analytics import rollups, sums
from analytics.models import QuotaUse
from events.models import Event
from subscriptions import lifecycle
from subscriptions.models import Subscription
from tests.admin.page_form import submit

ADD = "/admin/alerts/alertrule/add/"
LIST = "/admin/alerts/alertrule/"
PREVIEW = "/admin/alerts/alertrule/preview/"
NOW = datetime(2026, 3, 11, 12, 7, tzinfo=UTC)
FIELDS = {
    "name": "Weather fails",
    "is_enabled": "on",
    "metric": "errorRate",
    "threshold": "10",
    "window_minutes": "15",
    "least_calls": "5",
    "fire_after_minutes": "0",
    "clear_after_minutes": "0",
    "emails": "ops@example.org",
}


@pytest.fixture
def rule(service) -> AlertRule:
    return AlertRule.objects.create(
        name="Weather fails", threshold=10, emails="ops@example.org", state="firing", told_state="firing", value=12.5
    )


def page_of(rule) -> str:
    return reverse("admin:alerts_alertrule_change", args=[rule.pk])


def usage(at: datetime, *codes: int, milliseconds: int = 100) -> None:
    """Calls in the roll-ups."""
    quarter = int(at.timestamp()) // 900
    kind = bytes(16), 1, 2, 3, 4, ""
    rollups.add(sums.of((quarter, kind, code, False, 0, 0, milliseconds * 1000, None) for code in codes))


def test_rule_is_added(admin, api):
    admin.post(ADD, {**FIELDS, "api": api.pk, "clears_at": "2.5", "note": "Call the people."})
    rule = AlertRule.objects.get()
    assert (rule.api, rule.threshold, rule.clears_at, rule.emails) == (api, 10, 2.5, "ops@example.org")
    page = admin.get(LIST).content.decode()
    for text in ("Weather fails", "AzureML Demo API: failed calls from 10 % on, in 15 minutes", "Not looked at yet"):
        assert text in page


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"threshold": "-1"}, "greater than or equal to 0"),
        ({"threshold": "nan"}, "Enter a number"),
        ({"threshold": "1e999"}, "Enter a number"),
        ({"clears_at": "11"}, "on the good side of the threshold"),
        ({"metric": "calls", "clears_at": "9"}, "on the good side of the threshold"),
        ({"metric": "calls", "threshold": "0"}, "never fewer calls than none"),
        ({"window_minutes": "17"}, "Select a valid choice"),
        ({"least_calls": "0"}, "greater than or equal to 1"),
        ({"fire_after_minutes": "1441"}, "less than or equal to 1440"),
        ({"emails": "ops"}, "Line 1 is no e-mail address"),
        ({"emails": ""}, "Say who is told"),
        ({"name": "a\r\nBcc: x@example.org"}, ""),
        ({"api": "1", "product": "1"}, "Choose one of API, product and subscription"),
        ({"api": "1", "metric": "quota"}, "Quotas belong to products"),
        ({"api": "x"}, "Select a valid choice"),
    ],
)
def test_what_makes_no_sense_is_refused(admin, api, starter, changes, error):
    ids = {"1": {"api": api.pk, "product": starter.pk}}
    changes = {name: ids.get(value, {}).get(name, value) for name, value in changes.items()}
    page = admin.post(ADD, FIELDS | changes)
    assert page.status_code == 200
    assert error in page.content.decode()
    assert not AlertRule.objects.exists()


def test_change_of_what_is_watched_begins_anew_and_tells_nobody(admin, rule):
    submit(admin, page_of(rule), "alertrule_form", threshold="20")
    rule.refresh_from_db()
    assert (rule.threshold, rule.state, rule.told_state, rule.value) == (20, "ok", "ok", None)
    assert AlertChange.objects.get().kind == "reset"
    assert not Event.objects.filter(name__startswith="alert.").exists()


def test_change_of_recipients_leaves_the_alert(admin, rule):
    submit(admin, page_of(rule), "alertrule_form", emails="boss@example.org")
    rule.refresh_from_db()
    assert (rule.emails, rule.state, rule.value) == ("boss@example.org", "firing", 12.5)


def test_alert_is_acknowledged_and_muted(admin, rule, admin_user):
    admin.post(reverse("admin:alerts_alertrule_acknowledge", args=[rule.pk]))
    assert "Firing; Admin looks after it" in admin.get(LIST).content.decode()
    until = (timezone.now() + timedelta(hours=3)).replace(second=0, microsecond=0)
    admin.post(reverse("admin:alerts_alertrule_mute", args=[rule.pk]), {"until": f"{until:%Y-%m-%dT%H:%M}"})
    rule.refresh_from_db()
    assert (rule.acknowledged_by, rule.muted_until) == (admin_user, until)
    admin.post(reverse("admin:alerts_alertrule_unmute", args=[rule.pk]))
    rule.refresh_from_db()
    assert rule.muted_until is None
    page = admin.get(page_of(rule)).content.decode()
    places = [page.index(text) for text in ("No longer muted", "Muted, Admin, until", "Acknowledged, Admin")]
    assert places == sorted(places)


@pytest.mark.parametrize("until", ["", "x", "2020-01-01T00:00", "2199-01-01T00:00"])
def test_mute_needs_a_time_that_comes_soon(admin, rule, until):
    page = admin.post(reverse("admin:alerts_alertrule_mute", args=[rule.pk]), {"until": until}, follow=True)
    assert page.status_code == 200
    rule.refresh_from_db()
    assert rule.muted_until is None


def test_time_of_a_mute_is_the_viewer_s(admin, rule, admin_user):
    admin_user.time_zone = "Asia/Kathmandu"
    admin_user.save()
    until = (datetime.now(UTC) + timedelta(hours=30)).replace(minute=15, second=0, microsecond=0)
    there = until + timedelta(hours=5, minutes=45)
    admin.post(reverse("admin:alerts_alertrule_mute", args=[rule.pk]), {"until": f"{there:%Y-%m-%dT%H:%M}"})
    rule.refresh_from_db()
    assert rule.muted_until == until


class TestPreview:
    @pytest.fixture(autouse=True)
    def now(self, monkeypatch):
        monkeypatch.setattr("portal.administration.alert_form.timezone.now", lambda: NOW)

    def ask(self, admin, **fields) -> str:
        return admin.post(PREVIEW, FIELDS | fields).content.decode()

    def test_counts_how_often_it_would_have_fired(self, admin):
        for day in (8, 9):
            usage(datetime(2026, 3, day, 10, tzinfo=UTC), *[200] * 8, *[500] * 2)
            usage(datetime(2026, 3, day, 10, 15, tzinfo=UTC), *[200] * 10)
        usage(datetime(2026, 3, 9, 20, tzinfo=UTC), *[500] * 4)
        usage(datetime(2026, 3, 3, 10, tzinfo=UTC), *[500] * 9)
        page = self.ask(admin)
        assert "would have fired 2 times" in page
        for text in ("2026-03-08 10:15:00 UTC", "2026-03-08 10:30:00 UTC", "20 %"):
            assert text in page
        assert not AlertRule.objects.exists()

    def test_hysteresis_counts_too(self, admin):
        for quarter in range(6):
            at = datetime(2026, 3, 9, 10, tzinfo=UTC) + quarter * timedelta(minutes=15)
            usage(at, *[200] * 8, *([500, 500] if quarter % 2 == 0 else [200, 200]))
        assert "would have fired 3 times" in self.ask(admin)
        assert "would have fired 1 time." in self.ask(admin, clear_after_minutes="30")
        assert "would have fired 0 times" in self.ask(admin, fire_after_minutes="15")

    def test_slow_calls_and_silence(self, admin):
        at = datetime(2026, 3, 9, 10, tzinfo=UTC)
        usage(at, *[200] * 20, milliseconds=800)
        assert "would have fired 1 time." in self.ask(admin, metric="p95", threshold="700")
        assert "would have fired 0 times" in self.ask(admin, metric="p95", threshold="900")
        assert "would have fired 2 times" in self.ask(admin, metric="calls", threshold="5"), "before and after"

    def test_of_quotas_only_the_present_is_known(self, admin, starter, alice):
        Subscription.objects.all().delete()
        assert "No subscription that this rule watches has a quota." in self.ask(admin, metric="quota")
        row = lifecycle.create(display_name="Mine", by=alice, owner=alice, product=starter)
        QuotaUse.objects.create(subscription=row, product_id=starter.pk, period_start=NOW - timedelta(days=1), calls=85)
        page = self.ask(admin, metric="quota", threshold="80")
        for text in ("Now 85 % of the fullest quota are used: this rule would fire.", str(row.pk), "the present only"):
            assert text in page
        assert "85 % of the fullest quota are used: this rule would not fire." in self.ask(
            admin, metric="quota", threshold="90"
        )

    def test_tells_what_is_wrong_with_the_form(self, admin):
        page = self.ask(admin, threshold="", name="<b>")
        assert "threshold: This field is required" in page.replace("Threshold", "threshold")

    def test_of_a_rule_that_is_there(self, admin, rule):
        page = admin.post(f"{PREVIEW}?rule={rule.pk}", FIELDS, headers={"HX-Request": "true"}).content.decode()
        assert "would have fired 0 times" in page
        assert "<html" not in page
        assert admin.post(f"{PREVIEW}?rule=999", FIELDS).status_code == 404


def test_publisher_makes_rules_and_support_looks_at_them(signed_in, bob, alice, rule):
    give(bob, Role.PUBLISHER)
    give(alice, Role.SUPPORT)
    signed_in(bob).post(ADD, FIELDS | {"name": "Another"})
    assert AlertRule.objects.count() == 2
    support = signed_in(alice)
    assert "ops@example.org" in support.get(page_of(rule)).content.decode()
    for step in ("acknowledge", "mute", "unmute"):
        assert support.post(reverse(f"admin:alerts_alertrule_{step}", args=[rule.pk])).status_code == 403
    assert support.post(PREVIEW, FIELDS).status_code == 403
    assert support.post(ADD, FIELDS).status_code == 403
