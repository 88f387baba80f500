"""Users and groups in the administration."""

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

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


def test_blocked_user_is_signed_out(admin, alice, signed_in):
    browser = signed_in(alice)
    submit(admin, change(alice), "user_form", state="blocked")
    assert browser.get(reverse("portal:profile")).status_code == 302


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


def test_built_in_groups_stay(admin):
    developers = Group.objects.get(name="developers")
    url = reverse("admin:accounts_group_change", args=[developers.pk])
    submit(admin, url, "group_form", display_name="Programmers", name="hackers", members=[1])
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
        admin, "/admin/accounts/group/add/", "group_form", display_name="Testers", name="testers", members=[alice.pk]
    )
    assert response.status_code == 302
    assert list(Group.objects.get(name="testers").members.all()) == [alice]


def test_deleting_a_user_ends_his_subscriptions(admin, alice, unlimited):
    made = lifecycle.subscribe(user=alice, product=unlimited, display_name="Hers")
    admin.post(f"/admin/accounts/user/{alice.pk}/delete/", {"post": "yes"})
    made.refresh_from_db()
    assert (made.state, made.owner) == ("cancelled", None)
    assert not User.objects.filter(pk=alice.pk).exists()
