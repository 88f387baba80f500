""" "Why was my call refused?": each cause is found by whom it concerns, and by nobody else."""

import re
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from subscriptions import keys, lifecycle
from subscriptions.models import Subscription, SubscriptionKey
from tests.portal.usage.conftest import call, digest_start

PAGE = "/profile/usage/why/"
Slot = SubscriptionKey.Slot
INVALID = {"response_code": 401, "error_source": "authorization", "error_reason": "SubscriptionKeyInvalid"}
MISSING = {"response_code": 401, "error_source": "authorization", "error_reason": "SubscriptionKeyNotFound"}
UNKNOWN = "You have no call of this id."


def asked(client: Client, **fields) -> str:
    answer = client.post(PAGE, fields)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.text.split('id="found"')[-1].split('id="by-id"')[0])


def plain(text: str) -> str:
    """The page without what differs each time."""
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"|value="[0-9a-f-]{36}"', "", text)


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        pytest.param({}, "Too many calls with this subscription", id="rate"),
        pytest.param(
            {"response_code": 403, "error_source": "quota", "error_reason": "QuotaExceeded"},
            "quota is used up",
            id="quota",
        ),
        pytest.param(INVALID, "The gateway did not accept the key", id="key"),
        pytest.param(
            {"response_code": 502, "error_source": "backend", "error_reason": "BackendConnectionFailure"},
            "The backend did not answer the gateway",
            id="backend down",
        ),
        pytest.param(
            {"response_code": 404, "error_source": "", "error_reason": ""},
            "The backend answered 404",
            id="backend answer",
        ),
    ],
)
def test_the_cause_of_an_own_call_is_told(mine, alice, signed_in, fields, title):
    one = call(mine, **fields)
    found = asked(signed_in(alice), request_id=str(one.request_id))
    assert title in found
    assert one.url.replace("&", "&amp;") in found
    assert f'href="/profile/usage/failed/{one.request_id}/"' in found


def test_an_own_call_that_went_well_is_known(mine, alice, signed_in):
    one = call(mine, response_code=200, error_source="", error_reason="")
    assert "This call went well." in asked(signed_in(alice), request_id=str(one.request_id))


def test_a_link_may_name_the_call(mine, alice, signed_in):
    one = call(mine)
    assert "Too many calls" in signed_in(alice).get(f"{PAGE}?request_id={one.request_id}").text


@pytest.mark.parametrize("written", ["  {} ", "{{{}}}", "urn:uuid:{}"])
def test_an_id_is_read_as_people_paste_it(mine, alice, signed_in, written):
    one = call(mine)
    assert "Too many calls" in asked(signed_in(alice), request_id=written.format(one.request_id))
    assert "Too many calls" in asked(signed_in(alice), request_id=str(one.request_id).upper())


def test_a_call_without_a_key_tells_its_cause_and_nothing_else(service, mallory, signed_in):
    one = call(None, url="/echo/say/secret?name=jane", request_headers=[["x-color", "violet"]], **MISSING)
    found = asked(signed_in(mallory), request_id=str(one.request_id))
    assert "This API needs a subscription key" in found
    for part in ("secret", "jane", "violet", "192.0.2.7", "GET", "401", f"{one.at:%H:%M:%S}", "/profile/usage/failed/"):
        assert part not in found


def test_calls_of_others_are_as_unknown_as_ids_that_never_were(
    mine, theirs, shared, mallory, bob, admin_user, signed_in
):
    for person, other in ((mallory, mine), (mallory, shared), (bob, mine), (admin_user, mine)):
        client = signed_in(person)
        known = client.post(PAGE, {"request_id": str(call(other).request_id)})
        unknown = client.post(PAGE, {"request_id": str(uuid.uuid4())})
        assert UNKNOWN in known.text
        assert (known.status_code, plain(known.text)) == (unknown.status_code, plain(unknown.text))


def test_it_says_that_a_call_may_take_some_seconds(mine, alice, signed_in):
    assert "some seconds after its end" in asked(signed_in(alice), request_id=str(uuid.uuid4()))


@pytest.mark.parametrize("text", ["x", "'", "<script>", "7c9e6679", "\u0661" * 32, "g" * 36, "0" * 100])
def test_what_is_no_id_finds_nothing(mine, alice, signed_in, text):
    assert UNKNOWN in asked(signed_in(alice), request_id=text)


@pytest.mark.parametrize("text", ["", "0" * 101, "\0"])
def test_what_can_be_no_id_is_asked_for_again(mine, alice, signed_in, text):
    answer = signed_in(alice).post(PAGE, {"request_id": text})
    assert answer.status_code == 200
    assert "errorlist" in answer.text


def test_guests_are_sent_to_sign_in(service):
    assert Client().get(f"{PAGE}?request_id={uuid.uuid4()}")["Location"].startswith("/account/login/?next=")
    assert Client().post(PAGE, {"request_id": str(uuid.uuid4())})["Location"].startswith("/account/login/")


def test_ids_cannot_be_tried_without_end(mine, alice, signed_in):
    client = signed_in(alice)
    statuses = [client.post(PAGE, {"request_id": str(uuid.uuid4())}).status_code for _ in range(31)]
    assert statuses == [200] * 30 + [429]


# -- Keys --------------------------------------------------------------------------------------


def prefix_of(subscription: Subscription, slot=Slot.PRIMARY) -> str:
    return keys.reveal(subscription, slot)[:4]


def moment(time) -> str:
    return f"{timezone.localtime(time):%Y-%m-%dT%H:%M:%S}"


def test_calls_are_found_by_the_start_of_their_key_and_a_time(mine, alice, signed_in):
    one = call(mine)
    old = call(mine, at=timezone.now() - timedelta(hours=1))
    found = asked(signed_in(alice), key_start=prefix_of(mine), at=moment(one.at + timedelta(minutes=4)))
    assert f"/profile/usage/failed/{one.request_id}/" in found
    assert str(old.request_id) not in found


def regenerated(mine, alice):
    keys.regenerate(mine, Slot.PRIMARY, by=alice)
    return "it was replaced by a new key, and stopped working at"


def ended_early(mine, alice):
    keys.regenerate(mine, Slot.PRIMARY, by=alice, overlap=keys.Overlap.WEEK)
    keys.end_old(mine, Slot.PRIMARY, by=alice)
    return "it was replaced by a new key, and stopped working at"


def cancelled(mine, alice):
    lifecycle.change_state(mine, Subscription.State.CANCELLED, by=alice)
    return "in this state now: Cancelled"


def expired(mine, alice):
    lifecycle.change_state(mine, Subscription.State.EXPIRED, by=None)
    return "in this state now: Expired"


@pytest.mark.parametrize("ended", [regenerated, ended_early, cancelled, expired])
def test_what_has_become_of_the_key_is_told(mine, theirs, alice, mallory, signed_in, ended):
    prefix, start = prefix_of(mine), digest_start(mine)
    story = ended(mine, alice)
    known = ended in (cancelled, expired)
    one = call(mine if known else None, **INVALID | {"key_prefix": start})
    client = signed_in(alice)
    for found in (asked(client, request_id=str(one.request_id)), asked(client, key_start=prefix, at=moment(one.at))):
        assert story in found
        assert "of Laptop" in found
    stranger = asked(signed_in(mallory), key_start=prefix, at=moment(one.at))
    assert f"None of your keys begins with {prefix}" in stranger


def test_an_own_key_that_was_not_called_with_is_named(mine, alice, signed_in):
    found = asked(signed_in(alice), key_start=prefix_of(mine), at=moment(timezone.now()))
    assert "No call with this key failed within five minutes of that time." in found
    assert f"Primary key {prefix_of(mine)}… of Laptop" in found


def test_a_whole_key_that_is_pasted_comes_back_nowhere(mine, alice, signed_in):
    key = keys.reveal(mine, Slot.PRIMARY)
    for at in (moment(timezone.now()), "nonsense", ""):
        answer = signed_in(alice).post(PAGE, {"key_start": key, "at": at})
        assert answer.status_code == 200
        assert key not in answer.text
        assert key[4:] not in answer.text


@pytest.mark.parametrize("prefix", ["", "abc", "   ", "\0\0\0\0"])
@pytest.mark.parametrize("at", ["", "x", "0000-00-00T00:00", "9999-12-31T23:59:59", "2026-03-04T12:00"])
def test_what_cannot_be_read_is_asked_for_again(mine, alice, signed_in, prefix, at):
    answer = signed_in(alice).post(PAGE, {"key_start": prefix, "at": at})
    assert answer.status_code == 200
    assert "errorlist" in answer.text


def test_at_the_ends_of_the_calendar_no_call_was_made(mine, alice, signed_in):
    for at in ("9999-12-31T23:59:59", "0001-01-01T00:00:00"):
        assert "No call was made then." in signed_in(alice).post(PAGE, {"key_start": prefix_of(mine), "at": at}).text
