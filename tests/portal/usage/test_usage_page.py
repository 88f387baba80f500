"""A developer's own usage in numbers."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apis.models import API
from portal.usage import failed
from subscriptions import lifecycle
from tests.portal.usage.conftest import call, summed

PAGE = "/profile/usage/"


def figures(text: str) -> dict[str, str]:
    part = text.split("usage--totals")[1].split("</dl>")[0]
    return dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]*)</dd>", part))


def table(text: str, name: str) -> dict[str, list[str]]:
    """Numbers by the row's first words."""
    part = text.split(f'aria-labelledby="{name}" tabindex')[1].split("</table>")[0]
    rows = re.findall(r'<th scope="row">(?:<a [^>]*>)?([^<]+).*?</th>(.*?)</tr>', part, re.DOTALL)
    return {row.strip(): re.findall(r"<td[^>]*>([^<]*)</td>", cells) for row, cells in rows}


def test_own_calls_are_summed_by_subscription_api_and_operation(mine, shared, theirs, api, operation, alice, signed_in):
    of_operation = {"api": api.pk, "operation": operation.pk}
    summed(
        (mine, of_operation),
        (mine, of_operation | {"response_code": 429}),
        (mine, {"api": api.pk, "operation": None, "response_code": 404}),
        (shared, of_operation | {"response_code": 500}),
        (theirs, of_operation),
    )
    text = signed_in(alice).get(PAGE).text
    shown = figures(text)
    assert [shown[name] for name in ("Calls", "Successful", "Blocked", "Failed", "Other")] == ["4", "1", "1", "1", "1"]
    assert shown["Bandwidth"] == "120 B"
    assert table(text, "by-subscription") == {
        "Laptop": ["3", "1", "1", "0", "1", "500 ms"],
        "Orders app": ["1", "0", "0", "1", "0", "500 ms"],
    }
    assert table(text, "by-api") == {"Echo API": ["4", "1", "1", "1", "1", "500 ms"]}
    assert table(text, "by-operation")["Say it"] == ["3", "1", "1", "1", "0", "500 ms"]
    assert "Theirs" not in text


def test_everybody_sees_his_own_and_his_teams_only(mine, shared, theirs, alice, bob, mallory, admin_user, signed_in):
    summed((mine, {}), (shared, {}), (shared, {}), (theirs, {}), (theirs, {}), (theirs, {}), (theirs, {}))
    for person, calls in ((alice, "3"), (bob, "2"), (mallory, "4")):
        assert figures(signed_in(person).get(PAGE).text)["Calls"] == calls
    assert "You have no subscription yet" in signed_in(admin_user).get(PAGE).text


def test_guests_are_sent_to_sign_in(service):
    assert Client().get(PAGE)["Location"] == "/account/login/?next=%2Fprofile%2Fusage%2F"


def test_one_subscription_can_be_looked_at(mine, shared, theirs, alice, signed_in):
    summed((mine, {}), (shared, {}), (shared, {}), (theirs, {}))
    client = signed_in(alice)
    assert figures(client.get(f"{PAGE}?subscription={shared.pk}").text)["Calls"] == "2"
    # That of somebody else counts as not asked for.
    assert figures(client.get(f"{PAGE}?subscription={theirs.pk}").text)["Calls"] == "3"


def test_the_period_is_the_chosen_one(mine, alice, signed_in):
    now = timezone.now()
    summed((mine, {}), (mine, {"at": (now - timedelta(days=20)).timestamp()}))
    client = signed_in(alice)
    assert figures(client.get(PAGE).text)["Calls"] == "1"
    assert figures(client.get(f"{PAGE}?period=30d").text)["Calls"] == "2"
    assert figures(client.get(f"{PAGE}?period=nonsense&from=%00").text)["Calls"] == "1"


def test_causes_are_counted_and_lead_to_their_calls(mine, theirs, alice, signed_in):
    for _ in range(3):
        call(mine)
    call(mine, response_code=404, error_source="", error_reason="")
    call(theirs, response_code=502, error_source="backend", error_reason="BackendConnectionFailure")
    text = signed_in(alice).get(PAGE).text
    found = table(text, "failures")
    assert found == {
        "Too many calls with this subscription": ["Gateway", "429", "3"],
        "The backend answered 404": ["Backend", "404", "1"],
    }
    (link,) = re.findall(r'href="([^"]+reason=RateLimitExceeded[^"]*)"', text)
    answer = signed_in(alice).get(link.replace("&amp;", "&"))
    assert len(re.findall(r"/profile/usage/failed/[0-9a-f-]{36}/", answer.text)) == 3


def test_causes_of_very_many_calls_are_those_of_the_latest_and_it_is_said(monkeypatch, mine, alice, signed_in):
    monkeypatch.setattr(failed, "COUNTED", 2)
    now = timezone.now()
    for hours in (1, 2):
        call(mine, at=now - timedelta(hours=hours), response_code=429, error_reason="RateLimitExceeded")
    assert "There are many" not in signed_in(alice).get(PAGE).text
    call(mine, at=now - timedelta(hours=3), response_code=429, error_reason="RateLimitExceeded")
    text = signed_in(alice).get(PAGE).text
    assert "There are many: these are the latest 2, since" in text
    assert re.findall(r'<td class="numbers__number">(\d+)</td>', text.split('id="failures"')[1]) == ["429", "2"]


def test_what_is_left_of_each_limit_is_shown(mine, alice, signed_in):
    text = signed_in(alice).get(PAGE).text
    assert "Left of the rate" in text
    assert "Left of the quota" in text


def test_an_ended_subscription_has_no_limits_left(mine, alice, signed_in):
    lifecycle.change_state(mine, "cancelled", by=alice)
    assert "Left of the quota" not in signed_in(alice).get(PAGE).text


@pytest.mark.parametrize("days", [0, 3])
def test_it_says_how_long_single_calls_are_kept(settings, mine, alice, signed_in, days):
    settings.RAW_CALL_DAYS = days
    text = signed_in(alice).get(f"{PAGE}?period=30d").text
    assert ("Single calls are not kept here" in text) == (days == 0)
    assert ("Of the last 3 days only" in text) == (days == 3)


def test_many_subscriptions_take_as_many_queries_as_few(starter, alice, signed_in, django_assert_max_num_queries):
    for number in range(20):
        lifecycle.subscribe(user=alice, product=starter, display_name=f"S{number}")
    client = signed_in(alice)
    with django_assert_max_num_queries(25):
        assert client.get(PAGE).status_code == 200


def test_keys_are_told_apart(mine, theirs, alice, signed_in):
    secondary = mine.keys.get(slot="secondary")
    call(mine)
    call(mine, response_code=200, error_source="", error_reason="")
    call(mine, key_prefix=secondary.digest[:16])
    call(mine, key_prefix="0" * 16)
    call(theirs)
    primary = mine.keys.get(slot="primary")
    assert table(signed_in(alice).get(PAGE).text, "by-key") == {
        f"Primary key {primary.prefix}… of Laptop": ["2", "1"],
        f"Secondary key {secondary.prefix}… of Laptop": ["1", "1"],
        "A key that is not known any more": ["1", "1"],
    }


def test_keys_of_too_many_calls_are_not_counted(monkeypatch, mine, alice, signed_in):
    monkeypatch.setattr("portal.usage.by_key.MOST_CALLS", 1)
    summed((mine, {}), (mine, {}))
    call(mine)
    assert "too many calls to tell their keys apart" in signed_in(alice).get(PAGE).text


def test_calls_of_something_deprecated_are_told_with_what_to_do(mine, api, operation, alice, mallory, signed_in):
    API.objects.filter(pk=api.pk).update(deprecated_at=timezone.now(), migration_url="https://www.test/moving")
    summed((mine, {"api": api.pk, "operation": operation.pk}), (mine, {"api": api.pk, "operation": None}))
    text = signed_in(alice).get(PAGE).text
    assert "<strong>Echo API</strong>: 2 calls." in text
    assert "https://www.test/moving" in text
    assert "Deprecated, and called by you" not in signed_in(mallory).get(PAGE).text


def test_calls_of_a_deprecated_operation_are_told_by_its_name(mine, api, operation, alice, signed_in):
    operation.deprecated_at = timezone.now()
    operation.save()
    summed((mine, {"api": api.pk, "operation": operation.pk}), (mine, {"api": api.pk, "operation": None}))
    assert "<strong>Echo API: Say it</strong>: 1 call." in signed_in(alice).get(PAGE).text
