"""Users and groups in the administration."""

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts import teams
from accounts.claims import apply_claims
from accounts.models import Group, User
from subscriptions import lifecycle
from tests.admin.page_form import errors_of, submit

USERS = "/admin/accounts/user/"
PASSWORD = "another long secret"


def change(user: User) -> str:
    return reverse("admin:accounts_user_change", args=[user.pk])


def add(admin, email: str, **values):
    fields = {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    return submit(admin, USERS + "add/", "user_form", **fields | {"email": email, **values})


def test_user_is_added_and_can_sign_in(admin):
    response = add(admin, "Carol@Example.org", first_name="Carol")
    assert response.status_code == 302, errors_of(response)
    carol = User.objects.get(email="carol@example.org")
    assert EmailAddress.objects.get(user=carol).verified
    browser = Client()
    browser.post(reverse("account_login"), {"login": "carol@example.org", "password": PASSWORD})
    assert browser.get(reverse("portal:profile")).status_code == 200


@pytest.mark.parametrize(
    ("email", "values", "message"),
    [
        ("nobody", {}, "valid email"),
        ("ALICE@example.org", {}, "already in use"),
        ("carol@example.org", {"password1": "short", "password2": "short"}, "too short"),
        ("carol@example.org", {"password2": "other"}, "didn’t match"),
    ],
)
def test_bad_user_is_refused(admin, alice, email, values, message):
    assert message in errors_of(add(admin, email, **values))


def test_changed_address_signs_in_from_then_on(admin, alice):
    submit(admin, change(alice), "user_form", email="Alice.New@example.org")
    assert list(EmailAddress.objects.filter(user=alice).values_list("email", "verified", "primary")) == [
        ("alice.new@example.org", True, True)
    ]


def test_address_of_another_one_is_refused(admin, alice, bob):
    assert "already in use" in errors_of(submit(admin, change(alice), "user_form", email="bob@example.org"))


def step(name: str) -> str:
    return reverse("admin:accounts_user_step", args=[name])


def state_of(user: User) -> str:
    return User.objects.get(pk=user.pk).state


def test_blocked_user_is_signed_out(admin, alice, signed_in):
    browser = signed_in(alice)
    assert admin.post(step("block"), {"id": alice.pk, "comment": "Spam"})["Location"] == change(alice)
    assert browser.get(reverse("portal:profile")).status_code == 302
    assert "Spam" in admin.get(change(alice)).text


def test_sessions_of_a_blocked_user_do_not_wake_up_again(admin, alice, signed_in):
    browser = signed_in(alice)
    assert browser.get(reverse("portal:profile")).status_code == 200
    admin.post(step("block"), {"id": alice.pk})
    admin.post(step("activate"), {"id": alice.pk})
    assert browser.get(reverse("portal:profile")).status_code == 302


def test_state_is_no_field_of_the_form(admin, alice):
    submit(admin, change(alice), "user_form", state="blocked")
    assert state_of(alice) == "active"


def test_many_are_blocked_and_each_refusal_is_told(admin, admin_user, alice, bob):
    User.objects.filter(pk=bob.pk).update(state="blocked")
    chosen = {"action": "block", "_selected_action": [alice.pk, bob.pk, admin_user.pk]}
    assert "1 of them will be left alone" in admin.post(USERS, chosen).text
    assert state_of(alice) == "active"
    response = admin.post(step("block"), {"id": [alice.pk, bob.pk, admin_user.pk]}, follow=True)
    assert [str(message) for message in response.context["messages"]] == [
        "1 user is now blocked.",
        "admin@example.org: You cannot block yourself.",
        "bob@example.org: The account is in the state “Blocked” and cannot get into “Blocked”.",
    ]
    assert (state_of(alice), state_of(admin_user)) == ("blocked", "active")


def test_blocked_user_is_activated(admin, alice):
    for name in ("block", "activate"):
        admin.post(step(name), {"id": alice.pk})
    assert state_of(alice) == "active"


@pytest.mark.parametrize(
    ("state", "steps"),
    [("active", {"block"}), ("blocked", {"activate"}), ("pending", {"approve", "reject"}), ("deleted", set())],
)
def test_each_state_has_its_steps(admin, alice, state, steps):
    User.objects.filter(pk=alice.pk).update(state=state)
    page = admin.get(change(alice)).text
    assert {name for name in ("approve", "reject", "block", "activate") if step(name) in page} == steps


@pytest.mark.parametrize("ids", [[], ["x"], ["9" * 30], ["-1"], [""]], ids=str)
@pytest.mark.parametrize("method", ["get", "post"])
def test_odd_ids_block_nobody(admin, alice, ids, method):
    assert getattr(admin, method)(step("block"), {"id": ids}).status_code in (302, 404)
    assert state_of(alice) == "active"


def test_unknown_step_is_not_found(admin, alice):
    assert admin.post("/admin/accounts/user/step/promote/", {"id": alice.pk}).status_code == 404


def test_users_are_found_by_their_state(admin, alice, bob):
    admin.post(step("block"), {"id": alice.pk})
    page = admin.get(USERS, {"state__exact": "blocked"}).text
    assert ("alice@example.org" in page, "bob@example.org" in page) == (True, False)


def test_teams_of_a_user_are_shown(admin, alice):
    teams.create(name="Data science", by=alice)
    assert "Data science" in admin.get(change(alice)).text


def test_only_owner_of_a_team_is_not_deleted(admin, alice):
    teams.create(name="Data science", by=alice)
    delete = reverse("admin:accounts_user_delete", args=[alice.pk])
    assert "Make somebody else an owner of this team first." in admin.get(delete).text
    admin.post(delete, {"post": "yes"})
    assert User.objects.filter(pk=alice.pk).exists()


def test_groups_are_chosen(admin, alice):
    testers = Group.objects.create(name="testers", display_name="Testers")
    submit(admin, change(alice), "user_form", groups_listed=[testers.pk])
    assert list(alice.audience_groups.all()) == [testers]
    submit(admin, change(alice), "user_form", groups_listed=None)
    assert not alice.audience_groups.exists()


def test_password_hash_is_not_shown(admin, alice):
    assert alice.password not in admin.get(change(alice)).content.decode()
    assert "md5$" not in admin.get(change(alice)).content.decode()


def test_administrator_does_not_shut_himself_out(admin, admin_user):
    submit(admin, change(admin_user), "user_form", state="blocked", is_superuser=None, is_staff=None)
    admin_user.refresh_from_db()
    assert (admin_user.state, admin_user.is_superuser, admin_user.is_staff) == ("active", True, True)
    admin.post(reverse("admin:accounts_user_delete", args=[admin_user.pk]), {"post": "yes"})
    assert User.objects.filter(pk=admin_user.pk).exists()


def test_address_that_somebody_only_wants_is_free(admin, alice, bob):
    EmailAddress.objects.create(user=bob, email="new@example.org")
    submit(admin, change(alice), "user_form", email="new@example.org")
    alice.refresh_from_db()
    assert alice.email == "new@example.org"


@pytest.fixture
def helper(bob, signed_in):
    """A member of staff who may change users, but not everything."""
    bob.is_staff = True
    bob.save()
    names = ("view_user", "change_user", "delete_user", "add_user")
    bob.user_permissions.set(Permission.objects.filter(codename__in=names))
    return signed_in(bob)


def test_rights_are_given_by_those_who_have_all(service, helper, alice, bob):
    for user in (alice, bob):
        submit(helper, change(user), "user_form", is_superuser="on", is_staff="on")
        assert not User.objects.get(pk=user.pk).is_superuser
    assert not User.objects.get(pk=alice.pk).is_staff


def test_administrator_is_not_touched_by_lesser_staff(service, helper, admin_user):
    password = reverse("admin:auth_user_password_change", args=[admin_user.pk])
    fields = {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true", "set-password": "1"}
    assert helper.post(password, fields).status_code == 403
    assert helper.post(change(admin_user), {"email": "x@example.org"}).status_code == 403
    helper.post(reverse("admin:accounts_user_delete", args=[admin_user.pk]), {"post": "yes"})
    admin_user.refresh_from_db()
    assert admin_user.check_password("correct horse battery")
    assert admin_user.email == "admin@example.org"
    assert helper.post(step("block"), {"id": admin_user.pk}).status_code == 403
    assert state_of(admin_user) == "active"


def test_built_in_groups_stay(admin):
    developers = Group.objects.get(name="developers")
    url = reverse("admin:accounts_group_change", args=[developers.pk])
    submit(admin, url, "group_form", display_name="Programmers", name="hackers", new_members=[1])
    developers.refresh_from_db()
    assert (developers.display_name, developers.name) == ("Programmers", "developers")
    assert not developers.members.exists()
    admin.post(reverse("admin:accounts_group_delete", args=[developers.pk]), {"post": "yes"})
    admin.post(
        "/admin/accounts/group/", {"action": "delete_selected", "_selected_action": [developers.pk], "post": "yes"}
    )
    assert Group.objects.filter(pk=developers.pk).exists()


def test_group_of_one_s_own_is_made_with_members(admin, alice):
    response = submit(
        admin,
        "/admin/accounts/group/add/",
        "group_form",
        display_name="Testers",
        name="testers",
        new_members=[alice.pk],
    )
    assert response.status_code == 302
    assert list(Group.objects.get(name="testers").members.all()) == [alice]


@pytest.fixture
def crowd(admin) -> Group:
    """A group with many members."""
    group = Group.objects.create(name="crowd", display_name="Crowd")
    group.members.set(User.objects.bulk_create([User(email=f"member{n}@example.org") for n in range(1200)]))
    return group


def test_page_of_a_large_group_has_their_number_and_leads_to_the_list_of_them(admin, crowd, alice):
    page = admin.get(reverse("admin:accounts_group_change", args=[crowd.pk])).text
    assert "1,200 people" in page
    assert "member7@example.org" not in page
    listed = f"/admin/accounts/user/?audience_groups__id__exact={crowd.pk}"
    assert listed in page
    assert "member1199@example.org" in admin.get(listed).text
    assert alice.email not in admin.get(listed).text


def test_members_of_a_group_come_and_go_one_by_one(admin, crowd, alice):
    first = crowd.members.order_by("pk").first()
    url = reverse("admin:accounts_group_change", args=[crowd.pk])
    submit(admin, url, "group_form", new_members=[alice.pk], leaving_members=[first.pk])
    assert crowd.members.count() == 1200
    assert crowd.members.contains(alice)
    assert not crowd.members.contains(first)


def test_deleting_a_large_group_says_how_many_it_has(admin, crowd, unlimited):
    unlimited.groups.add(crowd)
    url = reverse("admin:accounts_group_delete", args=[crowd.pk])
    page = admin.get(url).text
    assert "Crowd (members: 1200, products that it may see: 1)" in page
    assert "member7@example.org" not in page
    admin.post(url, {"post": "yes"})
    assert not Group.objects.filter(pk=crowd.pk).exists()


def test_deleting_a_user_closes_the_account_and_keeps_the_history(admin, alice, unlimited):
    made = lifecycle.subscribe(user=alice, product=unlimited, display_name="Hers")
    delete = reverse("admin:accounts_user_delete", args=[alice.pk])
    assert "are erased" in admin.get(delete).text
    admin.post(delete, {"post": "yes"})
    made.refresh_from_db()
    assert (made.state, made.owner) == ("cancelled", None)
    assert (state_of(alice), User.objects.get(pk=alice.pk).full_name) == ("deleted", "")
    assert admin.get(delete).status_code == 403


MAPPED = {"provider": "contoso", "claim": "groups", "claim_values": " staff \r\n\r\nboard"}


@pytest.fixture
def mapped(admin) -> Group:
    response = submit(admin, "/admin/accounts/group/add/", "group_form", display_name="Staff", name="staff", **MAPPED)
    assert response.status_code == 302, errors_of(response)
    return Group.objects.get(name="staff")


def test_group_is_filled_by_an_identity_provider(mapped, alice, admin):
    assert mapped.claim_values == "staff\nboard"
    apply_claims(alice, "contoso", {"groups": ["board"]})
    assert "0 listed, 1 by sign-in" in admin.get("/admin/accounts/group/").text
    assert "Staff" in admin.get(change(alice)).text


@pytest.mark.parametrize(("changed", "left"), [({"claim": "roles"}, 0), ({"display_name": "All staff"}, 1)])
def test_another_claim_takes_out_who_came_by_the_old_one(mapped, alice, admin, changed, left):
    apply_claims(alice, "contoso", {"groups": ["board"]})
    submit(admin, reverse("admin:accounts_group_change", args=[mapped.pk]), "group_form", **changed)
    assert alice.claimed_memberships.count() == left


@pytest.mark.parametrize("missing", MAPPED)
def test_half_a_claim_is_refused(mapped, admin, missing):
    url = reverse("admin:accounts_group_change", args=[mapped.pk])
    assert "or none of them" in errors_of(submit(admin, url, "group_form", **{missing: ""}))


def test_portal_is_seen_as_a_group_from_its_page(admin):
    def offers(name: str) -> bool:
        group = Group.objects.get(name=name)
        page = admin.get(reverse("admin:accounts_group_change", args=[group.pk])).text
        return reverse("portal:preview", args=[group.pk]) in page

    assert (offers("developers"), offers("administrators")) == (True, False)
