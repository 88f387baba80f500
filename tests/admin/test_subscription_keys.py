"""Keys of subscriptions in the administration: replaced, given a value, shown where nobody owns them."""

import logging

import pytest
from django.contrib.admin.models import LogEntry

from accounts.models import Team, TeamMembership
from subscriptions import keys, lifecycle
from subscriptions.models import Subscription
from tests.admin.page_form import submit

VALUE = "tGzv3JOkF0XG5Qx2"
LIST = "/admin/subscriptions/subscription/"
Slot = keys.Slot


@pytest.fixture
def alone(service):
    return lifecycle.create(display_name="Machine", by=None)


@pytest.fixture
def hers(service, alice):
    return lifecycle.create(display_name="Hers", by=None, owner=alice)


def page(subscription) -> str:
    return f"{LIST}{subscription.pk}/keys/"


def current(subscription, slot: str) -> int:
    return subscription.keys.current().get(slot=slot).pk


def test_pressing_twice_replaces_a_key_once(admin, hers):
    seen = current(hers, "primary")
    first, second = (admin.post(page(hers), {"key": seen, "overlap": "3600", "value": ""}) for _ in range(2))
    assert (first.status_code, second.status_code) == (302, 200)
    assert "replaced meanwhile" in second.text
    assert hers.keys.old().get().pk == seen


def test_a_key_is_given_a_value_that_nothing_repeats(admin, hers, caplog):
    caplog.set_level(logging.DEBUG)
    answer = admin.post(page(hers), {"key": current(hers, "primary"), "overlap": "3600", "value": VALUE}, follow=True)
    assert keys.reveal(hers, Slot.PRIMARY) == VALUE
    assert hers.keys.old().count() == 1
    assert VALUE not in answer.text
    assert VALUE not in caplog.text
    assert not LogEntry.objects.filter(change_message__contains=VALUE).exists()


@pytest.mark.parametrize("value", ["short", "aaaaaaaaaaaaaaaaaaaa", "x" * 300, "tGzv3JOkF0XG5Qx2 ", "\0" * 20])
def test_a_value_that_is_no_good_is_refused_and_not_sent_back(admin, hers, value):
    before = keys.reveal(hers, Slot.PRIMARY)
    answer = admin.post(page(hers), {"key": current(hers, "primary"), "overlap": "0", "value": value})
    assert answer.status_code == 200
    assert f'value="{value}"' not in answer.text
    assert keys.reveal(hers, Slot.PRIMARY) == before


def test_a_value_that_is_taken_is_refused(admin, hers, alone):
    keys.set_value(alone, Slot.PRIMARY, VALUE, by=None)
    answer = admin.post(page(hers), {"key": current(hers, "primary"), "overlap": "0", "value": VALUE})
    assert "This value is taken" in answer.text
    assert VALUE not in answer.text


def test_an_empty_value_makes_a_new_key(admin, hers):
    before = keys.reveal(hers, Slot.SECONDARY)
    admin.post(page(hers), {"key": current(hers, "secondary"), "overlap": "0", "value": ""})
    assert keys.reveal(hers, Slot.SECONDARY) not in (before, "")


def test_keys_of_what_stands_alone_are_shown_when_asked_for(admin, alone):
    secret = keys.reveal(alone, Slot.PRIMARY)
    assert secret not in admin.get(page(alone)).text
    answer = admin.post(page(alone), {"show": "1"})
    assert secret in answer.text
    assert "no-store" in answer["Cache-Control"]
    assert alone.events.filter(kind="keys_shown").exists()


def test_keys_of_somebody_are_not_shown(admin, hers):
    assert "Show the keys" not in admin.get(page(hers)).text
    answer = admin.post(page(hers), {"show": "1"}, follow=True)
    assert "Only its owner sees the keys" in answer.text
    assert keys.reveal(hers, Slot.PRIMARY) not in answer.text


def test_adding_one_that_stands_alone_leads_to_its_keys(admin):
    answer = submit(admin, LIST + "add/", "subscription_form", display_name="Robot", all_apis="on")
    assert answer["Location"] == page(Subscription.objects.get())


def test_only_who_may_change_subscriptions_comes_to_their_keys(signed_in, alice, bob, hers):
    from django.contrib.auth.models import Permission

    bob.is_staff = True
    bob.save()
    bob.user_permissions.add(Permission.objects.get(codename="view_subscription"))
    assert signed_in(bob).post(page(hers), {"slot": "primary", "overlap": "0"}).status_code == 403
    assert signed_in(alice).get(page(hers)).status_code == 302


def test_keys_of_an_ended_one_are_not_there(admin, hers):
    lifecycle.change_state(hers, lifecycle.State.CANCELLED, by=None)
    assert admin.get(page(hers)).status_code == 404


@pytest.mark.parametrize("to", ["person", "team"])
def test_a_subscription_is_handed_on(admin, hers, bob, to):
    team = Team.objects.create(name="Orders")
    TeamMembership.objects.create(team=team, user=bob)
    choice = {"owner": bob.pk} if to == "person" else {"team": team.pk}
    page = admin.post(f"{LIST}{hers.pk}/transfer/", {**choice, "comment": "She left"}, follow=True).text
    hers.refresh_from_db()
    assert (hers.owner, hers.team) == ((bob, None) if to == "person" else (None, team))
    assert "Handed on to" in page
    assert "She left" in page


@pytest.mark.parametrize(
    "choice", [{}, {"owner": "x"}, {"owner": "9" * 30}, {"team": "-1"}, {"owner": "1", "team": "1"}]
)
def test_a_subscription_is_handed_on_to_one_that_is_there(admin, hers, alice, choice):
    assert admin.post(f"{LIST}{hers.pk}/transfer/", choice).status_code == 200
    hers.refresh_from_db()
    assert hers.owner == alice


@pytest.mark.parametrize(("query", "found"), [("use=unused", "Machine"), ("expiry=soon", "Hers")])
def test_lists_of_what_is_unused_or_expires_soon(admin, hers, alone, query, found):
    from datetime import timedelta

    from django.utils import timezone

    Subscription.objects.filter(pk=alone.pk).update(created_at=timezone.now() - timedelta(days=91))
    Subscription.objects.filter(pk=hers.pk).update(expires_at=timezone.now() + timedelta(days=29))
    listed = admin.get(f"{LIST}?{query}").context["cl"].result_list
    assert [row.display_name for row in listed] == [found]


def test_new_dates_are_kept_with_who_set_them(admin, admin_user, hers):
    dates = {"expires_at_0": "2030-06-01", "expires_at_1": "12:00", "notice_at_0": "2030-05-01", "notice_at_1": "12:00"}
    submit(admin, f"{LIST}{hers.pk}/change/", "subscription_form", **dates)
    step = hers.events.last()
    assert (step.kind, step.by, step.detail) == ("dates", admin_user, "2030-06-01 12:00:00 UTC")


def test_the_mails_link_asks_who_signs_in_first_and_changes_nothing(client, service, hers, signed_in, admin_user):
    Subscription.objects.filter(pk=hers.pk).update(state="submitted")
    link = f"{LIST}step/approve/?id={hers.pk}"
    sign_in = client.get(link, follow=True).redirect_chain[-1][0]
    assert "/account/login/?next=" in sign_in
    assert "Approve this subscription?" in signed_in(admin_user).get(link).text
    hers.refresh_from_db()
    assert hers.state == "submitted"
