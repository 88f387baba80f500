"""The administration's pages of who still calls what is deprecated."""

import csv
import io
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.roles import Role, give
from analytics import rollups, sums
from apis.models import API, Operation
from subscriptions import lifecycle

PAGE = "/admin/insights/deprecated/"


def summed(at, *, api, operation=0, subscription=None, user=0, times=1, code=200):
    kind = subscription.pk.bytes if subscription else bytes(16), api.pk, operation, 0, user, ""
    rollups.add(sums.of([(int(at.timestamp()) // 900, kind, code, False, 0, 0, 1000, None)] * times))


def rows_of(answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def old(api, now):
    """Ends in ten days; another one is not deprecated."""
    API.objects.filter(pk=api.pk).update(deprecated_at=now, sunset_at=now + timedelta(days=10, hours=1))
    API.objects.create(name="new", display_name="New", path="new", service_url="http://b")
    api.refresh_from_db()
    return api


@pytest.fixture
def called(old, operation, starter, alice, bob, now):
    """Alice called it five times, Bob twice with an operation that he stopped calling; others without a key."""
    mine, theirs = (
        lifecycle.create(display_name=name, by=None, owner=owner, product=starter)
        for name, owner in (("Mine", alice), ("=Theirs", bob))
    )
    summed(now, api=old, subscription=mine, user=alice.pk, times=5)
    summed(now - timedelta(days=3), api=old, operation=operation.pk, subscription=theirs, user=bob.pk, times=2)
    summed(now, api=old, code=401)
    summed(now - timedelta(days=60), api=old, subscription=mine, user=alice.pk, times=50)
    return mine, theirs


def test_calls_callers_and_days_left_are_told(admin, old, called):
    answer = admin.get(PAGE)
    (row,) = answer.context["rows"]
    assert (row["use"].calls, row["use"].subscriptions, row["use"].users) == (8, 2, 2)
    assert (row["days_left"], row["use"].last_called) == (10, timezone.now().date())
    (longer,) = admin.get(PAGE, {"days": "90"}).context["rows"]
    assert longer["use"].calls == 58
    page = answer.content.decode()
    assert f"{PAGE}api/{old.pk}/?days=30" in page
    assert f"/admin/analytics/call/?api={old.pk}&amp;period=custom" in page


def test_an_operation_is_told_of_by_itself(admin, old, called, operation):
    operation.deprecated_at = timezone.now()
    operation.save()
    names = {row["name"]: row["use"].calls for row in admin.get(PAGE).context["rows"]}
    assert names == {"AzureML Demo API": 8, "AzureML Demo API: GET Status": 2}


def test_what_nobody_calls_and_what_is_past_its_end_say_so(admin, old, now):
    API.objects.filter(pk=old.pk).update(deprecated_at=now - timedelta(9), sunset_at=now - timedelta(2))
    page = admin.get(PAGE).content.decode()
    assert "Nobody calls it" in page
    assert ">over<" in page
    API.objects.update(deprecated_at=None, sunset_at=None)
    assert "Nothing is deprecated" in admin.get(PAGE).content.decode()


def test_what_ends_first_comes_first(admin, old, now):
    API.objects.filter(name="new").update(deprecated_at=now, sunset_at=now + timedelta(days=1))
    API.objects.create(name="open", display_name="A", path="a", service_url="http://b", deprecated_at=now)
    assert [row["name"] for row in admin.get(PAGE).context["rows"]] == ["New", "AzureML Demo API", "A"]


def test_who_calls_it_is_listed_with_a_way_to_the_calls(admin, old, called):
    mine, _theirs = called
    answer = admin.get(f"{PAGE}api/{old.pk}/")
    told = [(caller.subscription, caller.id, caller.calls) for caller, _calls in answer.context["callers"]]
    assert [(row.display_name if row else None, calls) for row, _pk, calls in told] == [
        ("Mine", 5),
        ("=Theirs", 2),
        (None, 1),
    ]
    page = answer.content.decode()
    write = f"announcement/add/?api={old.pk}"
    calls = f"api={old.pk}&amp;subscription={mine.pk}"
    for text in ("mailto:alice@example.org", "Without a subscription", write, calls):
        assert text in page


def test_callers_of_an_operation_and_of_what_is_not_deprecated(admin, old, called, operation):
    API.objects.update(deprecated_at=None, sunset_at=None)
    (caller,) = admin.get(f"{PAGE}operation/{operation.pk}/").context["callers"]
    assert caller[0].subscription == called[1]
    new = API.objects.get(name="new")
    assert "Nobody has called it" in admin.get(f"{PAGE}api/{new.pk}/").content.decode()


def test_who_has_stopped_calling_before_the_period_is_not_listed(admin, old, called, now):
    stopped = lifecycle.create(display_name="Stopped", by=None, api=old)
    summed(now - timedelta(days=60), api=old, subscription=stopped, times=9)
    page = f"{PAGE}api/{old.pk}/"
    answer = admin.get(page)
    assert [caller.calls for caller, _calls in answer.context["callers"]] == [5, 2, 1]
    assert answer.context["page"].paginator.count == 3
    assert [line["calls"] for line in rows_of(admin.get(page, {"format": "csv"}))] == ["5", "2", "1"]
    (longest, *_), *_ = admin.get(page, {"days": "90"}).context["callers"]
    assert (longest.calls, longest.last_called) == (55, timezone.now().date())


def test_a_subscription_that_is_gone_is_still_counted(admin, old, now):
    gone = lifecycle.create(display_name="Gone", by=None, api=old)
    summed(now, api=old, subscription=gone)
    gone.delete()
    assert "A subscription that is gone" in admin.get(f"{PAGE}api/{old.pk}/").content.decode()


def test_both_are_files(admin, old, called, alice):
    (line,) = rows_of(admin.get(PAGE, {"format": "csv"}))
    assert (line["kind"], line["api"], line["days_left"], line["calls"], line["users"]) == (
        "api",
        "AzureML Demo API",
        "10",
        "8",
        "2",
    )
    first, second, third = rows_of(admin.get(f"{PAGE}api/{old.pk}/", {"format": "csv"}))
    assert (first["subscription"], first["owner"], first["calls"]) == ("Mine", alice.email, "5")
    assert second["subscription"] == "'=Theirs"
    assert (third["subscription_id"], third["calls"]) == ("", "1")
    for kind in ("json", "parquet"):
        assert admin.get(PAGE, {"format": kind}).status_code == 200


@pytest.mark.parametrize("path", ["api/999999/", "operation/999999/", f"api/{10**30}/", f"api/{uuid.UUID(int=1)}/"])
def test_what_is_not_there_answers_404(admin, path):
    assert admin.get(PAGE + path).status_code == 404


def test_callers_are_for_staff_who_may_see_usage(service, old, signed_in, alice, bob, client):
    page = f"{PAGE}api/{old.pk}/"
    assert client.get(page).status_code == 302
    assert signed_in(alice).get(page).status_code in (302, 403)
    give(bob, Role.SUPPORT)
    assert signed_in(bob).get(page).status_code == 200


def test_the_number_of_questions_stays_whatever_is_deprecated(admin, old, now, django_assert_max_num_queries):
    Operation.objects.bulk_create(
        Operation(api=old, name=f"o{n}", display_name="O", method="GET", url_template=f"/{n}", deprecated_at=now)
        for n in range(70)
    )
    with django_assert_max_num_queries(16):
        assert len(admin.get(PAGE).context["rows"]) == 50
