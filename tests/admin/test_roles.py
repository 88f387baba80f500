"""What each role may: every URL of the administration, as the registry has it, tried by each."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin as django_admin
from django.urls import URLPattern, URLResolver, reverse
from django.utils import timezone

from accounts import invitations, teams
from accounts.models import CustomField, Group, User
from accounts.roles import Role, give, role_of
from accounts.user_states import LastAdministrator
from alerts.models import AlertRule
from audit.acts import acting
from audit.models import Entry
from backends.models import Backend
from notifications.models import OutboxMail
from portalsettings.models import PortalSettings
from subscriptions import lifecycle
from tests.admin.page_form import fields_of, submit
from tests.admin.test_lists import make_call
from webhooks.endpoints import put_new_secret
from webhooks.models import Endpoint

POST = {
    "post": "yes",
    "_save": "1",
    "do": "save",
    "show": "1",
    "slot": "primary",
    "overlap": "0",
    "name": "x",
    "display_name": "x",
    "subject": "x",
    "body": "x",
    "email": "x@example.org",
    "emails": "x@example.org",
    "action": "delete_selected",
    "_selected_action": "1",
}
# Of these pages everybody in the administration may send forms; they change nothing of it.
OPEN = {
    "index",
    "login",
    "logout",
    "password_change",
    "password_change_done",
    "jsi18n",
    "autocomplete",
    "search",
    "view_on_site",
}
# What one looks at by GET; every other page is there to change something.
LOOKS = ("_changelist", "_change", "_history", "_address", "_billing", "app_list", "toggle_sidebar")


def patterns(found: list[Any] | None = None) -> list[URLPattern]:
    """All of the administration's, with those inside of others."""
    every: list[URLPattern] = []
    for one in django_admin.site.get_urls() if found is None else found:
        every += patterns(one.url_patterns) if isinstance(one, URLResolver) else [one]
    return [one for one in every if one.name and one.name not in OPEN]


NAMES = sorted({one.name for one in patterns() if one.name})


@pytest.fixture
def rows(service, operation, unlimited, alice, bob):
    """One of each kind that has pages."""
    Backend.objects.create(name="b", title="b", url="http://b")
    Group.objects.create(name="partners", display_name="Partners")
    CustomField.objects.create(label="Company")
    teams.create(name="Team", by=alice)
    invitations.invite(emails=["new@example.org"], by=alice)
    lifecycle.subscribe(user=alice, product=unlimited, display_name="Request")
    lifecycle.create(display_name="Alone", by=alice, product=unlimited)
    make_call()
    AlertRule.objects.create(name="Weather fails", threshold=5, state="firing", state_since=timezone.now())
    PortalSettings.objects.create()
    endpoint = Endpoint(name="w", url="https://hooks.example/", events=["*"])
    put_new_secret(endpoint)
    endpoint.save()
    OutboxMail.objects.create(message=b"x", sender="a@b", recipients=["c@d"], subject="Hello", state="failed")
    with acting(via="test"):
        Group.objects.create(name="others", display_name="Others")


@pytest.fixture
def staff(bob, signed_in):
    def sign_in(role: Role):
        give(bob, role)
        return signed_in(bob)

    return sign_in


def address(name: str) -> str | None:
    """The page with the first row of its kind; None where there is none."""
    pattern = next(one for one in patterns() if one.name == name)
    values = {}
    for part in pattern.pattern.regex.groupindex:
        values[part] = _value(name, part)
    if None in values.values():
        return None
    return reverse(f"admin:{name}", kwargs=values)


def _value(name: str, part: str) -> object:
    if part in ("object_id", "pk", "id"):
        label = "accounts.user" if name.startswith("auth_user") else ".".join(name.split("_")[:2])
        rows = apps.get_model(label)._base_manager.order_by("pk")
        row = rows.filter(owner=None).first() if label == "subscriptions.subscription" else rows.first()
        return row and row.pk
    return {
        "app_label": "apis",
        "name": "approve" if "step" in name else "confirmSignUpIdentityDefault",
        "content_type_id": 1,
    }.get(part)


APPS = {
    "accounts",
    "alerts",
    "apis",
    "backends",
    "notifications",
    "policies",
    "portalsettings",
    "service",
    "subscriptions",
    "webhooks",
}


def snapshot() -> dict[str, list[object]]:
    """What the pages could change."""
    models = [model for model in apps.get_models() if model._meta.app_label in APPS]
    return {
        model._meta.label: list(model._base_manager.order_by("pk").values_list())
        for model in models
        # The list of these adds the rows that the code knows.
        if model._meta.label_lower != "notifications.publishernotification"
    }


def addresses() -> dict[str, str]:
    found = {name: address(name) for name in NAMES}
    without_row = {name.rpartition("_")[0] for name, url in found.items() if url is None}
    assert len(without_row) < 12, without_row
    return {name: url for name, url in found.items() if url is not None}


def test_support_looks_at_everything_and_changes_nothing(rows, staff):
    browser, before, entries = staff(Role.SUPPORT), snapshot(), Entry.objects.count()
    for name, url in addresses().items():
        looked, sent = browser.get(url, {"id": "1"} if "step" in name else {}), browser.post(url, POST)
        wanted = (
            (200, 302)
            if name.endswith(LOOKS) and "mailserver" not in name and "password" not in name
            else (200, 302, 403, 404, 405)
        )
        assert looked.status_code in wanted, name
        assert sent.status_code in (200, 302, 403, 404, 405), name
    assert snapshot() == before
    assert Entry.objects.count() == entries


def test_publisher_changes_nothing_of_people_and_settings(rows, staff):
    browser, before = staff(Role.PUBLISHER), snapshot()
    for name, url in addresses().items():
        if name.split("_")[0] in {"accounts", "auth", "portalsettings", "service", "socialaccount", "audit"}:
            browser.post(url, POST)
    assert snapshot() == before


def test_who_has_no_role_gets_nowhere(rows, staff):
    give_none = staff(Role.NONE)
    assert {give_none.get(url).status_code for url in addresses().values()} <= {302, 403, 404}


def test_every_page_opens_for_an_administrator(rows, admin):
    for name, url in addresses().items():
        assert admin.get(url).status_code in (200, 302, 403, 404, 405), name


@pytest.mark.parametrize(
    "name",
    [
        "accounts_user_add",
        "accounts_user_step",
        "accounts_user_second_factors",
        "auth_user_password_change",
        "subscriptions_subscription_step",
        "subscriptions_subscription_keys",
        "subscriptions_subscription_transfer",
        "notifications_mailserver_changelist",
        "notifications_mailtext_edit",
        "portalsettings_key",
        "apis_api_add",
        "apis_api_delete",
    ],
)
def test_support_is_refused_what_is_there_to_change_or_reveal(rows, staff, name):
    assert staff(Role.SUPPORT).get(address(name)).status_code == 403


@pytest.mark.parametrize("name", ["apis_api_change", "subscriptions_subscription_keys", "backends_backend_change"])
def test_publisher_changes_the_catalogue(rows, staff, name):
    page = staff(Role.PUBLISHER).get(address(name))
    assert page.status_code == 200
    assert 'name="_save"' in page.content.decode() or "KeyForm" in str(type(page.context["form"]))


def test_support_sees_the_log_and_the_mails_but_no_shortcut_to_change(rows, staff):
    page = staff(Role.SUPPORT).get("/admin/").content.decode()
    assert "/admin/audit/entry/" in page
    assert "/admin/apis/api/add/" not in page


def role_page(user: User) -> str:
    return reverse("admin:accounts_user_change", args=[user.pk])


@pytest.mark.parametrize("role", [role for role in Role if role != Role.NONE])
def test_role_is_given_by_one_choice(admin, alice, role):
    submit(admin, role_page(alice), "user_form", role=role.value)
    alice.refresh_from_db()
    assert (role_of(alice), alice.is_staff, alice.is_superuser) == (role, True, role == Role.ADMINISTRATOR)
    assert fields_of(admin.get(role_page(alice)), "user_form")["role"] == [role.value]


def test_role_is_taken_away(admin, bob):
    give(bob, Role.SUPPORT)
    submit(admin, role_page(bob), "user_form", role="")
    bob.refresh_from_db()
    assert (bob.is_staff, bob.staff_role) == (False, "")


def test_nobody_gives_himself_another_role(admin, admin_user):
    submit(admin, role_page(admin_user), "user_form", role="support")
    admin_user.refresh_from_db()
    assert role_of(admin_user) == Role.ADMINISTRATOR


def test_last_administrator_keeps_his_role(service, admin_user):
    for administrator in User.objects.filter(is_superuser=True).exclude(pk=admin_user.pk):
        give(administrator, Role.NONE)
    with pytest.raises(LastAdministrator):
        give(admin_user, Role.SUPPORT)


def test_role_that_is_taken_ends_at_once(service, staff, bob):
    browser = staff(Role.SUPPORT)
    assert browser.get("/admin/").status_code == 200
    give(bob, Role.NONE)
    assert browser.get("/admin/").status_code == 302


def test_who_is_blocked_has_no_role(bob):
    give(bob, Role.SUPPORT)
    bob.state = User.State.BLOCKED
    assert not bob.has_perm("apis.view_api")
    assert bob.get_all_permissions() == set()


def test_all_permissions_of_a_role_are_those_that_it_has(bob):
    give(bob, Role.PUBLISHER)
    every = bob.get_all_permissions()
    assert {"apis.change_api", "accounts.view_user", "audit.view_entry"} <= every
    assert not {"accounts.change_user", "socialaccount.change_socialapp", "audit.delete_entry"} & every
