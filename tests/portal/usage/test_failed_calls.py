"""Own calls that did not go well: whose they are, what the list finds, and what one call's page tells."""

import re
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import TeamMembership
from analytics.models import Call
from apis.models import API
from subscriptions import keys, lifecycle
from subscriptions.models import Subscription, SubscriptionKey
from tests.portal.usage.conftest import call, digest_start

LIST = "/profile/usage/failed/"
Slot = SubscriptionKey.Slot


def page(one: Call) -> str:
    return f"{LIST}{one.request_id}/"


def listed(client: Client, query: str = "") -> list[str]:
    """The request ids that the list links, in its order."""
    answer = client.get(f"{LIST}{query}")
    assert answer.status_code == 200
    return re.findall(r'href="/profile/usage/failed/([0-9a-f-]{36})/"', answer.text)


def ids(*calls: Call) -> list[str]:
    return [str(one.request_id) for one in calls]


def test_everybody_finds_his_own_and_his_teams_calls_only(
    mine, shared, theirs, alice, bob, mallory, admin_user, signed_in
):
    own, teams, others = call(mine), call(shared), call(theirs)
    call(None, error_source="authorization", error_reason="SubscriptionKeyNotFound", response_code=401)
    sees = {alice: {own, teams}, bob: {teams}, mallory: {others}, admin_user: set()}
    for person, expected in sees.items():
        client = signed_in(person)
        assert set(listed(client)) == set(ids(*expected))
        for one in (own, teams, others):
            assert client.get(page(one)).status_code == (200 if one in expected else 404)


def test_guests_are_sent_to_sign_in(mine):
    for path in (LIST, page(call(mine))):
        assert Client().get(path)["Location"].startswith("/account/login/?next=")


def test_who_has_left_the_team_sees_its_calls_no_more(shared, bob, signed_in):
    one = call(shared)
    TeamMembership.objects.filter(user=bob).delete()
    assert listed(signed_in(bob)) == []
    assert signed_in(bob).get(page(one)).status_code == 404


def test_calls_of_a_suspended_and_of_an_ended_subscription_are_still_there(mine, alice, admin_user, signed_in):
    one = call(mine)
    for state in (Subscription.State.SUSPENDED, Subscription.State.CANCELLED):
        lifecycle.change_state(mine, state, by=admin_user)
        assert listed(signed_in(alice)) == ids(one)


def test_what_went_well_is_no_failed_call(mine, alice, signed_in):
    good = call(mine, response_code=200, error_source="", error_reason="")
    call(mine, response_code=399, error_source="", error_reason="")
    assert listed(signed_in(alice)) == []
    assert signed_in(alice).get(page(good)).status_code == 404


def test_calls_with_a_key_that_was_replaced_are_own_ones(mine, theirs, alice, mallory, signed_in):
    refused = {"response_code": 401, "error_source": "authorization", "error_reason": "SubscriptionKeyInvalid"}
    start = digest_start(mine)
    keys.regenerate(mine, Slot.PRIMARY, by=alice)
    one = call(None, key_prefix=start, **refused)
    call(None, key_prefix="f" * 16, **refused)
    call(None, key_prefix="", **refused)
    assert listed(signed_in(alice)) == ids(one)
    assert listed(signed_in(mallory)) == []
    text = signed_in(alice).get(page(one)).text
    assert "of Laptop: it was replaced by a new key" in text
    assert signed_in(mallory).get(page(one)).status_code == 404


def test_the_latest_are_first_and_pages_go_on(monkeypatch, mine, alice, signed_in):
    monkeypatch.setattr("portal.views.failed_calls.CALLS_PER_PAGE", 2)
    now = timezone.now()
    start = digest_start(mine)
    keys.regenerate(mine, Slot.PRIMARY, by=alice)
    calls = [call(mine, at=now - timedelta(seconds=number)) for number in range(4)]
    refused = {"response_code": 401, "error_source": "authorization", "error_reason": "SubscriptionKeyInvalid"}
    calls.append(call(None, key_prefix=start, at=now - timedelta(seconds=9), **refused))
    client, found, query = signed_in(alice), [], ""
    for _ in range(3):
        text = client.get(f"{LIST}{query}").text
        found += re.findall(r'href="/profile/usage/failed/([0-9a-f-]{36})/"', text)
        older = re.search(r'href="(\?[^"]+before=\d+)"', text)
        query = older[1].replace("&amp;", "&") if older else ""
    assert found == ids(*calls)
    assert not query


def test_filters_narrow(mine, shared, api, alice, signed_in):
    limited = call(mine, api_id=api.pk)
    backend = call(shared, api_id=api.pk, response_code=503, error_source="", error_reason="")
    other = call(mine, api_id=api.pk + 1, response_code=404, error_source="", error_reason="")
    client = signed_in(alice)
    assert set(listed(client, f"?api={api.pk}")) == set(ids(limited, backend))
    assert listed(client, "?reason=RateLimitExceeded") == ids(limited)
    assert set(listed(client, "?reason=backend")) == set(ids(backend, other))
    assert listed(client, "?reason=backend&status=503") == ids(backend)
    assert set(listed(client, f"?subscription={mine.pk}")) == set(ids(limited, other))
    assert listed(client, "?period=custom&from=2020-01-01&to=2020-01-02") == []


HOSTILE = [
    f"?subscription={uuid.UUID(int=7)}",
    "?subscription=%00",
    "?subscription='",
    "?api=-1",
    "?api=99999999999999999999",
    "?api=0",
    "?api=%D9%A3",
    "?status=1000",
    "?before=9223372036854775807",
    "?before=abc",
    "?period=%00&from=x&to=%3Cscript%3E",
]


@pytest.mark.parametrize("query", HOSTILE)
def test_what_cannot_be_read_counts_as_not_asked_for(mine, alice, signed_in, query):
    one = call(mine)
    assert listed(signed_in(alice), query) == ids(one)


@pytest.mark.parametrize("reason", ["%00", "<script>alert(1)</script>", "x" * 5000])
def test_reasons_that_there_are_not_find_nothing(mine, alice, signed_in, reason):
    call(mine)
    assert listed(signed_in(alice), f"?reason={reason}") in ([], ids(Call.objects.get()))


def test_a_subscription_of_others_is_no_filter(mine, theirs, alice, signed_in):
    own = call(mine)
    call(theirs)
    assert listed(signed_in(alice), f"?subscription={theirs.pk}") == ids(own)


def test_where_others_stand_is_no_place_to_go_on_from(mine, theirs, alice, signed_in):
    own = call(mine)
    other = call(theirs, at=own.at - timedelta(hours=1))
    assert listed(signed_in(alice), f"?before={other.pk}") == ids(own)


def test_what_a_caller_sent_is_never_markup(mine, alice, signed_in):
    evil = "<script>alert(1)</script>"
    one = call(mine, url=f"/echo/{evil}", method=evil[:40], request_headers=[[evil, evil]])
    for path in (LIST, page(one)):
        assert evil not in signed_in(alice).get(path).text


def test_a_call_s_page_tells_what_was_sent_and_why_it_ended(mine, api, operation, alice, signed_in):
    one = call(mine, api_id=api.pk, operation_id=operation.pk)
    text = re.sub(r"\s+", " ", signed_in(alice).get(page(one)).text)
    for part in (
        "/echo/say/hello?loud=yes",
        "Too many calls with this subscription",
        str(one.request_id),
        "Echo API",
        "Say it",
        "Laptop",
        "x-color",
        "green",
        "***",
        f"Primary key {keys.reveal(mine, Slot.PRIMARY)[:4]}… of Laptop",
    ):
        assert part in text
    assert keys.reveal(mine, Slot.PRIMARY) not in text
    assert f'href="/apis/echo/say/?call={one.request_id}#console"' in text


def test_the_name_of_an_api_that_one_does_not_see_is_not_told(mine, alice, signed_in):
    hidden = API.objects.create(
        name="hidden", display_name="Secret Plans", path="hidden", service_url="https://b.example.org", scheme="both"
    )
    one = call(mine, api_id=hidden.pk, response_code=401, error_reason="SubscriptionKeyInvalid")
    for path in (LIST, page(one), "/profile/usage/"):
        text = signed_in(alice).get(path).text
        assert "Secret Plans" not in text
        assert "/apis/hidden/" not in text


def test_an_id_that_there_is_not_is_a_404(mine, alice, signed_in):
    for path in (f"{LIST}{uuid.uuid4()}/", f"{LIST}x/", f"{LIST}{'0' * 40}/"):
        assert signed_in(alice).get(path).status_code == 404


def test_calls_are_only_read(mine, alice, signed_in):
    assert signed_in(alice).post(LIST).status_code == 405
    assert signed_in(alice).post(page(call(mine))).status_code == 405


def test_many_calls_take_as_many_queries_as_few(mine, api, alice, signed_in, django_assert_max_num_queries):
    for _ in range(40):
        call(mine, api_id=api.pk)
    client = signed_in(alice)
    with django_assert_max_num_queries(18):
        assert len(listed(client)) == 40
