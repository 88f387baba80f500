"""Subscriptions in the administration: steps of the lifecycle, keys, history."""

import uuid
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Team
from portal.administration.subscriptions import OWNERS
from subscriptions import keys, lifecycle
from subscriptions.models import Subscription, SubscriptionKey
from tests.admin.page_form import errors_of, submit

LIST = "/admin/subscriptions/subscription/"
ADD = LIST + "add/"
State = Subscription.State


@pytest.fixture
def waiting(unlimited, alice):
    return lifecycle.subscribe(user=alice, product=unlimited, display_name="Alice's request")


@pytest.fixture
def active(starter, bob):
    return lifecycle.subscribe(user=bob, product=starter, display_name="Bob's")


def step(name: str) -> str:
    return reverse("admin:subscriptions_subscription_step", args=[name])


def change(subscription: Subscription) -> str:
    return reverse("admin:subscriptions_subscription_change", args=[subscription.pk])


def state_of(subscription: Subscription) -> str:
    return Subscription.objects.get(pk=subscription.pk).state


def test_request_is_approved_with_a_comment(admin, admin_user, waiting):
    page = admin.get(step("approve"), {"id": waiting.pk}).content.decode()
    assert "Alice&#x27;s request" in page
    assert "alice@example.org" in page
    response = admin.post(step("approve"), {"id": waiting.pk, "comment": "Welcome"})
    assert response.headers["Location"] == change(waiting)
    event = waiting.events.last()
    assert (event.state, event.by, event.comment) == (State.ACTIVE, admin_user, "Welcome")
    assert Subscription.objects.get(pk=waiting.pk).started_at


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        (["approve"], State.ACTIVE),
        (["reject"], State.REJECTED),
        (["cancel"], State.CANCELLED),
        (["approve", "suspend"], State.SUSPENDED),
        (["approve", "suspend", "activate"], State.ACTIVE),
        (["suspend"], State.SUBMITTED),
        (["activate"], State.SUBMITTED),
        (["reject", "approve"], State.REJECTED),
        (["cancel", "activate"], State.CANCELLED),
        (["approve", "approve"], State.ACTIVE),
        (["approve", "reject"], State.ACTIVE),
    ],
)
def test_steps(admin, waiting, steps, state):
    for name in steps:
        admin.post(step(name), {"id": waiting.pk})
    assert state_of(waiting) == state


def test_many_are_taken_and_each_refusal_is_told(admin, waiting, active):
    response = admin.post(step("approve"), {"id": [waiting.pk, active.pk]}, follow=True)
    told = [str(message) for message in response.context["messages"]]
    assert told == ["1 subscription is now active.", "Bob's: A subscription that is active cannot become active."]
    assert state_of(waiting) == State.ACTIVE


def test_action_of_the_list_asks_first(admin, waiting, active):
    chosen = {"action": "suspend", "_selected_action": [waiting.pk, active.pk]}
    page = admin.post(LIST, chosen).content.decode()
    assert "Suspend 2 subscriptions?" in page
    assert "1 of them will be left alone" in page
    assert state_of(active) == State.ACTIVE


def test_only_fitting_steps_are_offered(admin, waiting, active):
    page = admin.get(change(waiting)).content.decode()
    assert step("approve") in page
    assert step("suspend") not in page
    assert step("suspend") in admin.get(change(active)).content.decode()


@pytest.mark.parametrize("ids", [[], ["x"], [str(uuid.UUID(int=0))], ["' OR 1=1"], [""]], ids=str)
def test_odd_ids_change_nothing(admin, waiting, ids):
    assert admin.post(step("approve"), {"id": ids}).status_code in (302, 404)
    assert state_of(waiting) == State.SUBMITTED


def test_unknown_step_is_not_found(admin, waiting):
    assert admin.post(step("delete"), {"id": waiting.pk}).status_code == 404


def test_looking_does_not_take_the_step(admin, waiting):
    admin.get(step("approve"), {"id": waiting.pk, "comment": "x"})
    assert state_of(waiting) == State.SUBMITTED


def test_comment_is_bounded(admin, waiting):
    response = admin.post(step("approve"), {"id": waiting.pk, "comment": "x" * 4001})
    assert response.status_code == 200
    assert state_of(waiting) == State.SUBMITTED


def test_developer_takes_no_step(signed_in, alice, waiting):
    signed_in(alice).post(step("approve"), {"id": waiting.pk})
    assert state_of(waiting) == State.SUBMITTED


def test_staff_that_may_only_look_takes_no_step(signed_in, bob, waiting):
    from django.contrib.auth.models import Permission

    bob.is_staff = True
    bob.save()
    bob.user_permissions.add(Permission.objects.get(codename="view_subscription"))
    browser = signed_in(bob)
    assert step("approve") not in browser.get(change(waiting)).content.decode()
    assert browser.post(step("approve"), {"id": waiting.pk}).status_code == 403
    assert state_of(waiting) == State.SUBMITTED


def test_state_cannot_be_written_past_the_lifecycle(admin, waiting):
    submit(admin, change(waiting), "subscription_form", state="active", display_name="Renamed")
    assert state_of(waiting) == State.SUBMITTED
    assert Subscription.objects.get(pk=waiting.pk).display_name == "Renamed"


@pytest.mark.parametrize("scope", ["product", "api", "all_apis"])
def test_subscription_is_added_for_each_scope(admin, admin_user, starter, api, alice, scope):
    value = {"product": starter.pk, "api": api.pk, "all_apis": "on"}[scope]
    response = submit(admin, ADD, "subscription_form", display_name="New", owner=alice.pk, **{scope: value})
    assert response.status_code == 302, errors_of(response)
    made = Subscription.objects.get()
    assert (made.state, made.owner, made.all_apis) == (State.ACTIVE, alice, scope == "all_apis")
    assert made.keys.count() == 2
    assert made.events.get().by == admin_user


def test_subscription_without_owner_stands_alone(admin, starter):
    submit(admin, ADD, "subscription_form", display_name="Machine", product=starter.pk)
    assert Subscription.objects.get().owner is None


@pytest.mark.parametrize(
    "scopes", [[], ["product", "api"], ["api", "all_apis"], ["product", "api", "all_apis"]], ids=str
)
def test_scope_is_one(admin, starter, api, scopes):
    values = {"product": starter.pk, "api": api.pk, "all_apis": "on"}
    chosen = {scope: values[scope] for scope in scopes}
    response = submit(admin, ADD, "subscription_form", display_name="New", **chosen)
    assert "Choose one scope" in errors_of(response)
    assert not Subscription.objects.exists()


def test_keys_are_never_shown(admin, active):
    secrets = [keys.reveal(active, slot) for slot in keys.Slot]
    rows = SubscriptionKey.objects.values_list("ciphertext", "digest")
    for path in (LIST, change(active), f"{LIST}?q={secrets[0][:4]}"):
        page = admin.get(path).content.decode()
        for hidden in (*secrets, *(text for row in rows for text in row)):
            assert hidden not in page
    assert secrets[0][:4] in admin.get(change(active)).content.decode()


@pytest.mark.parametrize("text", ["Alice's req", "ALICE@example", "prefix"])
def test_list_is_searched(admin, waiting, active, text):
    query = waiting.keys.first().prefix if text == "prefix" else text
    assert list(admin.get(LIST, {"q": query}).context["cl"].result_list) == [waiting]


def test_list_is_filtered_by_state(admin, waiting, active):
    found = admin.get(LIST, {"state__exact": "submitted"}).context["cl"].result_list
    assert list(found) == [waiting]


def test_history_is_shown_and_cannot_be_written(admin, waiting):
    admin.post(step("reject"), {"id": waiting.pk, "comment": "Not now"})
    assert "Not now" in admin.get(change(waiting)).content.decode()
    assert "events-0-comment" not in admin.get(change(waiting)).content.decode()


def test_ended_subscription_keeps_its_end(admin, waiting):
    admin.post(step("cancel"), {"id": waiting.pk})
    submit(admin, change(waiting), "subscription_form", expires_at_0="2030-01-01", expires_at_1="00:00")
    assert Subscription.objects.get(pk=waiting.pk).expires_at is None


def test_many_cannot_be_deleted_at_once(admin, waiting):
    admin.post(LIST, {"action": "delete_selected", "_selected_action": [waiting.pk], "post": "yes"})
    assert Subscription.objects.exists()


def test_tracing_is_allowed_and_forbidden(admin, active, starter):
    submit(admin, change(active), "subscription_form", allow_tracing="on")
    assert Subscription.objects.get(pk=active.pk).allow_tracing
    submit(admin, change(active), "subscription_form", allow_tracing=None)
    assert not Subscription.objects.get(pk=active.pk).allow_tracing
    submit(admin, ADD, "subscription_form", display_name="Traced", product=starter.pk, allow_tracing="on")
    assert Subscription.objects.get(display_name="Traced").allow_tracing


def test_the_mails_link_leads_through_sign_in_to_the_question_and_decides_nothing(client, admin_user, alice, unlimited):
    waiting = lifecycle.subscribe(user=alice, product=unlimited, display_name="Hers")
    link = f"{reverse('admin:subscriptions_subscription_step', args=['approve'])}?id={waiting.pk}"
    sign_in = client.get(link, follow=True)
    assert sign_in.redirect_chain
    client.force_login(admin_user, backend="allauth.account.auth_backends.AuthenticationBackend")
    back = parse_qs(urlsplit(sign_in.redirect_chain[-1][0]).query)["next"][0]
    assert back == link
    assert "Approve this subscription?" in client.get(back).content.decode()
    waiting.refresh_from_db()
    assert waiting.state == "submitted"


def test_a_subscription_for_a_team_that_is_deleted_meanwhile_is_refused(admin, unlimited, monkeypatch):
    team = Team.objects.create(name="Gone", deleted_at=timezone.now())
    sent = {"display_name": "Given", "team": team.pk, "product": unlimited.pk}
    page = reverse("admin:subscriptions_subscription_add")
    assert "team" in admin.post(page, sent).context["adminform"].form.errors
    monkeypatch.setitem(OWNERS, "team", Team.objects.all())
    answer = admin.post(page, sent, follow=True)
    assert "The team is deleted." in answer.content.decode()
    assert not Subscription.objects.exists()


def test_a_live_subscription_is_cancelled_before_it_is_deleted(admin, active):
    page = reverse("admin:subscriptions_subscription_delete", args=[active.pk])
    assert admin.post(page, {"post": "yes"}).status_code == 403
    assert page not in admin.get(change(active)).text
    admin.post(step("cancel"), {"id": active.pk, "comment": "Moved away"})
    assert page in admin.get(change(active)).text
    admin.post(page, {"post": "yes"})
    assert not Subscription.objects.exists()
