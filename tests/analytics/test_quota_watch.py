"""People are told once per period that a quota comes to its end."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from analytics import quota_watch
from analytics.models import InnerQuotaUse, QuotaUse, QuotaWarning
from apis.models import API, Operation
from events.models import Event
from policies.models import ProductPolicy
from subscriptions import lifecycle
from subscriptions.models import Product, Subscription

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
HOUR = '<policies><inbound><quota {} renewal-period="3600" /></inbound></policies>'

INNER = """<policies><inbound><quota calls="100" renewal-period="3600"><api name="Echo" calls="50"><operation name="Say"
calls="10" /></api></quota></inbound></policies>"""


@pytest.fixture
def make_subscription(alice):
    def make(limits='calls="10"') -> Subscription:
        product = Product.objects.create(name="p", display_name="Starter", state=Product.State.PUBLISHED)
        ProductPolicy.objects.create(product=product, document=HOUR.format(limits))
        subscription = lifecycle.subscribe(user=alice, product=product, display_name="Mine")
        Event.objects.all().delete()
        return subscription

    return make


def use(subscription, calls=0, kilobytes=0, start=NOW - timedelta(minutes=5)) -> None:
    row = {"product_id": subscription.product_id, "period_start": start, "calls": calls, "bytes": kilobytes * 1024}
    QuotaUse.objects.update_or_create(subscription_id=subscription.pk, defaults=row)


def told(now=NOW) -> list[str]:
    seen = set(Event.objects.values_list("pk", flat=True))
    quota_watch.warn(now)
    return list(Event.objects.exclude(pk__in=seen).values_list("name", flat=True))


def test_each_level_is_told_once(make_subscription):
    subscription = make_subscription()
    stands = []
    for calls in (7, 8, 9, 10, 10):
        use(subscription, calls)
        stands.append(told())
    assert stands == [[], ["quota.approaching"], [], ["quota.reached"], []]


def test_event_tells_how_much_and_until_when(make_subscription):
    subscription = make_subscription()
    use(subscription, 8)
    assert told() == ["quota.approaching"]
    data = Event.objects.get().data
    assert (data["percent"], data["used"], data["quota"], data["unit"]) == (80, 8, 10, "calls")
    assert data["resets_at"] == (NOW + timedelta(minutes=55)).isoformat()


def test_quota_that_is_used_up_at_once_is_told_of_once(make_subscription):
    use(make_subscription(), 12)
    assert told() == ["quota.reached"]
    assert told() == []


def test_next_period_is_told_of_anew_and_an_old_one_not_at_all(make_subscription):
    subscription = make_subscription()
    use(subscription, 10)
    assert told() == ["quota.reached"]
    assert told(NOW + timedelta(hours=2)) == []
    use(subscription, 8, start=NOW + timedelta(hours=2))
    assert told(NOW + timedelta(hours=2, minutes=1)) == ["quota.approaching"]
    assert QuotaWarning.objects.count() == 1


def test_bytes_count_like_calls(make_subscription):
    subscription = make_subscription('calls="100" bandwidth="50"')
    use(subscription, calls=1, kilobytes=40)
    assert told() == ["quota.approaching"]
    assert Event.objects.get().data["unit"] == "kilobytes"


def test_quotas_of_an_api_and_an_operation_are_told_of_by_themselves(make_subscription):
    api = API.objects.create(name="echo", display_name="Echo", path="echo", service_url="https://backend.example.org")
    say = Operation.objects.create(api=api, name="say", display_name="Say", method="GET", url_template="/say")
    subscription = make_subscription()
    subscription.product.apis.add(api)
    ProductPolicy.objects.update(document=INNER)
    use(subscription, 80)
    scope = {"subscription": subscription, "product_id": subscription.product_id, "api_id": api.pk, "calls": 10}
    InnerQuotaUse.objects.create(**scope, operation_id=0, period_start=NOW - timedelta(minutes=5))
    InnerQuotaUse.objects.create(**scope, operation_id=say.pk, period_start=NOW - timedelta(minutes=50))
    assert sorted(told()) == ["quota.approaching", "quota.reached"]
    assert told() == []
    data = Event.objects.get(name="quota.reached").data
    assert (data["api"], data["operation"], data["used"], data["quota"]) == (api.pk, say.pk, 10, 10)
    assert data["resets_at"] == (NOW + timedelta(minutes=10)).isoformat()
    whole = Event.objects.get(name="quota.approaching").data
    assert "api" not in whole
    assert (whole["used"], whole["quota"]) == (80, 100)
    InnerQuotaUse.objects.filter(operation_id=0).update(calls=40)
    assert told() == ["quota.approaching"]
    InnerQuotaUse.objects.filter(operation_id=0).update(period_start=NOW + timedelta(hours=1))
    assert told(NOW + timedelta(hours=1, minutes=1)) == ["quota.approaching"], "a new period of the API's alone"
    assert QuotaWarning.objects.count() == 3


def test_suspended_subscription_is_not_told_of(make_subscription, admin_user):
    subscription = make_subscription()
    lifecycle.change_state(subscription, Subscription.State.SUSPENDED, by=admin_user)
    use(subscription, 10)
    assert told() == []


@pytest.mark.django_db(transaction=True)
def test_workers_that_race_tell_once(make_subscription):
    use(make_subscription(), 10)
    start = threading.Barrier(3)

    def work():
        try:
            start.wait()
            quota_watch.warn(NOW)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert Event.objects.filter(name="quota.reached").count() == 1
