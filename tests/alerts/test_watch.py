"""Alert rules fire on what calls were, and tell it once."""

import threading
from datetime import timedelta

import pytest
from django.db import connection

from alerts import handling, watch
from alerts.measures import Reading
from alerts.models import AlertChange, AlertRule
from analytics.ingest import ingest
from analytics.models import InnerQuotaUse, QuotaUse
from apis.models import API
from events.models import Event
from notifications import telling
from notifications.models import OutboxMail
from policies.models import ProductPolicy
from subscriptions import lifecycle
from subscriptions.models import Product
from tests.analytics.conftest import NOON, record
from webhooks.models import Delivery, Endpoint

pytestmark = pytest.mark.django_db


def at(minute: float):
    return NOON + timedelta(minutes=minute)


def look(minute: float) -> str:
    """The state of the only rule after a look at that minute."""
    watch.watch(at(minute))
    return AlertRule.objects.get().state


def events() -> list[str]:
    return list(Event.objects.filter(name__startswith="alert.").values_list("name", flat=True))


@pytest.mark.parametrize("settled", [True, False], ids=["summed up", "waiting"])
def test_failed_calls_fire_and_the_value_is_exact(make_rule, call, settled):
    make_rule()
    call(1, 200, count=17, settled=settled)
    call(2, 500, count=2, settled=settled)
    call(2, 429, count=5, settled=settled)
    assert look(3) == "ok"
    assert AlertRule.objects.get().value == pytest.approx(100 * 2 / 24)
    call(4, 502, settled=settled)
    assert look(5) == "firing"
    assert AlertRule.objects.get().value == pytest.approx(12)
    assert (AlertChange.objects.get().value, AlertChange.objects.get().calls) == (pytest.approx(12), 25)


def test_calls_leave_the_window_and_the_alert_is_over(make_rule, call):
    make_rule()
    call(1, 500, count=5)
    assert look(2) == "firing"
    call(31, 200, count=5)
    assert look(29) == "firing", "no look goes back in time"
    assert look(32) == "ok"
    assert events() == ["alert.fired", "alert.resolved"]


def test_a_clock_that_has_gone_back_does_not_keep_rules_from_being_looked_at(make_rule, call):
    make_rule(fire_after_minutes=2)
    assert look(24 * 60) == "ok"
    call(1, 500, count=5)
    assert [look(minute) for minute in (2, 3, 4)] == ["ok", "ok", "firing"]


def test_one_failure_of_few_calls_alarms_nobody(make_rule, call):
    make_rule()
    call(1, 500, count=4)
    assert look(2) == "ok"
    assert AlertRule.objects.get().unknown == "fewCalls"
    call(2, 500)
    assert look(3) == "firing"


def test_few_calls_do_not_end_an_alert_and_none_at_all_do(make_rule, call):
    make_rule()
    call(1, 500, count=5)
    assert look(2) == "firing"
    call(31, 200)
    assert look(32) == "firing"
    assert look(70) == "ok"


def test_slow_calls_fire(make_rule, call):
    make_rule(metric="p95", threshold=900, clears_at=600)
    call(1, count=19, total_seconds=0.1)
    call(1, total_seconds=1.0)
    assert look(2) == "ok", "the 19th of 20 is the 95th percentile"
    call(2, total_seconds=1.0, settled=False)
    assert look(3) == "firing"
    assert AlertRule.objects.get().value == pytest.approx(1000, rel=0.02)


@pytest.mark.parametrize(
    ("scope", "fires"),
    [({"api": 1}, True), ({"api": 2}, False), ({"product": 3}, True), ({"product": 4}, False)],
)
def test_rule_looks_at_what_it_is_about(make_rule, call, scope, fires):
    for number in (1, 2):
        API.objects.create(
            pk=number, name=f"a{number}", display_name=f"A{number}", path=f"a{number}", service_url="http://b"
        )
    for number in (3, 4):
        Product.objects.create(pk=number, name=f"p{number}", display_name=f"P{number}")
    make_rule(**{f"{name}_id": pk for name, pk in scope.items()})
    call(1, 500, count=5)
    call(1, 500, count=5, settled=False)
    assert look(2) == ("firing" if fires else "ok")
    assert AlertRule.objects.get().value == (100 if fires else None)


def test_rule_looks_at_one_subscription(make_rule, call, alice):
    product = Product.objects.create(name="p", display_name="P", state="published")
    mine = lifecycle.subscribe(user=alice, product=product, display_name="Mine")
    make_rule(subscription=mine)
    call(1, 500, count=9)
    call(1, 200, count=5, subscription=mine.pk.bytes)
    call(1, 500, count=5, subscription=mine.pk.bytes, settled=False)
    look(2)
    assert AlertRule.objects.get().value == 50


class TestSilence:
    @pytest.fixture(autouse=True)
    def rule(self, make_rule):
        return make_rule(metric="calls", threshold=5)

    def test_fires_when_fewer_call(self, call):
        call(1, count=5)
        assert look(14) == "ok"
        assert look(30) == "firing", "the quarter has left the window"
        assert AlertRule.objects.get().value == 0
        call(31, count=5)
        assert look(32) == "ok"

    def test_the_start_of_a_quarter_is_no_silence(self, call):
        call(14, count=5)
        assert look(15.1) == "ok"

    def test_says_nothing_while_calls_are_not_counted(self, call, counted):
        call(1, count=5)
        assert look(14) == "ok"
        counted(at(14))
        assert look(30) == "ok"
        assert AlertRule.objects.get().unknown == "standstill"
        assert events() == []
        counted(at(31))
        assert look(31) == "firing"

    def test_says_nothing_while_calls_wait_in_the_journal_for_long(self, call, write, tmp_path):
        call(1, count=5)
        assert look(14) == "ok"
        write(record(number=10_000, at=at(16).timestamp()))
        assert look(17) == "ok"
        assert look(31) == "ok"
        assert AlertRule.objects.get().unknown == "standstill"
        ingest(tmp_path)
        assert look(31.5) == "firing", "one call is fewer than five"

    def test_is_not_over_while_calls_are_not_counted(self, call, counted):
        assert look(0) == "firing"
        call(1, count=9)
        counted(at(1))
        assert look(10) == "firing"
        counted(at(11))
        assert look(11) == "ok"


def test_quota_of_a_product_is_that_of_who_has_used_the_most(make_rule, alice, bob):
    product = Product.objects.create(name="p", display_name="P", state="published", subscriptions_limit=None)
    policy = '<policies><inbound><quota calls="100" bandwidth="10" renewal-period="3600" /></inbound></policies>'
    ProductPolicy.objects.create(product=product, document=policy)
    make_rule(metric="quota", threshold=90, clears_at=50, product=product)
    used = {alice: (30, 0), bob: (20, 10 * 1024 * 95 // 100)}
    rows = {user: lifecycle.subscribe(user=user, product=product, display_name="S") for user in used}
    for user, (calls, size) in used.items():
        QuotaUse.objects.create(
            subscription_id=rows[user].pk, product_id=product.pk, period_start=NOON, calls=calls, bytes=size
        )
    assert look(1) == "firing"
    rule = AlertRule.objects.get()
    assert (rule.value, rule.worst_subscription) == (pytest.approx(95, abs=0.1), rows[bob].pk)
    assert look(61) == "ok", "the period is over"
    data = Event.objects.filter(name="alert.fired").get().data
    assert data["subscription"] == str(rows[bob].pk)


def test_quota_of_an_api_in_a_product_fires_too(make_rule, alice):
    api = API.objects.create(name="echo", display_name="Echo", path="echo", service_url="https://backend.example.org")
    product = Product.objects.create(name="p", display_name="P", state="published")
    product.apis.add(api)
    policy = """<policies><inbound><quota calls="100" renewal-period="3600"><api name="Echo" calls="10" /></quota>
        </inbound></policies>"""
    ProductPolicy.objects.create(product=product, document=policy)
    make_rule(metric="quota", threshold=90)
    subscription = lifecycle.subscribe(user=alice, product=product, display_name="S")
    stand = {"subscription": subscription, "product_id": product.pk, "period_start": NOON, "calls": 9}
    QuotaUse.objects.create(**stand)
    assert look(1) == "ok"
    InnerQuotaUse.objects.create(**stand, api_id=api.pk, operation_id=0)
    assert look(2) == "firing"
    rule = AlertRule.objects.get()
    assert (rule.value, rule.worst_subscription) == (90, subscription.pk)


def test_each_change_makes_one_mail_for_each_recipient_and_one_webhook_event(make_rule, call, admin_user, settings):
    settings.EMAIL_BACKEND = "notifications.outbox.OutboxBackend"
    Endpoint.objects.create(name="w", url="https://hooks.example/", events=["alert.*"])
    rule = make_rule(note="Call <the> people", emails="ops@example.org\nOps@example.org\nboss@example.org")
    rule.users.add(admin_user)
    call(1, 500, count=5)
    for minute in range(2, 8):
        look(minute)
        telling.tell_new()
    [mail, *_others] = mails = OutboxMail.objects.order_by("pk")
    addresses = ["Ops@example.org", "admin@example.org", "boss@example.org"]
    assert sorted(one for mail in mails for one in mail.recipients) == addresses
    assert mail.subject == "Alert: Weather fails"
    text = bytes(mail.message).decode()
    assert "All calls: failed calls 100 %. The alert rule" in text
    assert "fires at 10 %" in text
    assert "15 minutes" in text
    [delivery] = Delivery.objects.all()
    assert delivery.type == "alert.fired"
    assert "example.org" not in delivery.body, "recipients are nobody else's business"
    assert "people" not in delivery.body
    assert f'"alert":{rule.pk},"alert_name":"Weather fails","metric":"errorRate","value":100.0' in delivery.body
    assert "recipients" not in Event.objects.get(name="alert.fired").data, "told, and so forgotten"
    assert sorted(AlertChange.objects.get().told) == addresses


def test_a_crash_leaves_nothing_half_done(make_rule, call, monkeypatch):
    make_rule()
    call(1, 500, count=5)
    with monkeypatch.context() as patch:
        patch.setattr(watch, "record", None)
        with pytest.raises(TypeError):
            look(2)
    assert (AlertRule.objects.get().state, AlertChange.objects.count(), events()) == ("ok", 0, [])
    assert look(3) == "firing"
    assert events() == ["alert.fired"]


def test_muted_alert_is_told_when_the_time_is_over_and_it_still_fires(make_rule, call, admin_user):
    rule = make_rule()
    handling.mute(rule, until=at(60), by=admin_user, now=at(0))
    call(1, 500, count=5)
    assert look(2) == "firing"
    call(40, 500, count=5)
    assert look(41) == "firing"
    assert events() == []
    call(59, 500, count=5)
    look(61)
    assert events() == ["alert.fired"]
    change = AlertChange.objects.get(kind="fired")
    assert (change.at, change.told_at, change.told) == (at(2), at(61), ["ops@example.org"])


def test_what_came_and_went_while_muted_is_not_told(make_rule, call, admin_user):
    rule = make_rule()
    handling.mute(rule, until=at(60), by=admin_user, now=at(0))
    call(1, 500, count=5)
    assert [look(2), look(40), look(61)] == ["firing", "ok", "ok"]
    assert events() == []
    assert [row.kind for row in AlertChange.objects.all()] == ["resolved", "fired", "muted"]


def test_acknowledgement_lasts_until_the_alert_is_over(make_rule, call, admin_user):
    rule = make_rule()
    with pytest.raises(handling.NotFiringError):
        handling.acknowledge(rule, by=admin_user, now=at(0))
    call(1, 500, count=5)
    look(2)
    handling.acknowledge(rule, by=admin_user, now=at(3))
    look(4)
    assert AlertRule.objects.get().acknowledged_by == admin_user
    look(40)
    assert AlertRule.objects.get().acknowledged_by is None


def test_rule_that_is_switched_off_is_not_looked_at(make_rule, call):
    make_rule(is_enabled=False)
    call(1, 500, count=5)
    assert look(2) == "ok"
    assert AlertRule.objects.get().checked_at is None


def test_old_history_goes(make_rule, call):
    make_rule()
    call(1, 500, count=5)
    look(2)
    assert watch.forget(at(0) + timedelta(days=30), days=30) == 0
    assert watch.forget(at(3) + timedelta(days=30), days=30) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer")
def test_two_workers_at_once_tell_once(make_rule):
    rule = make_rule()
    start, failures = threading.Barrier(4), []

    def work(number):
        try:
            start.wait()
            for minute in range(5):
                watch.note(rule.pk, Reading(50.0, 10), at(minute) + timedelta(milliseconds=number))
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []
    assert events() == ["alert.fired"]
    assert AlertChange.objects.count() == 1
