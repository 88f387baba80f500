"""What administrators do is in the audit log, without secrets, and stays there."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Group, User
from audit import tasks
from audit.acts import acting
from audit.models import MAX_VALUE_CHARACTERS, Entry
from audit.watching import MASK, is_secret, is_watched
from notifications.models import OutboxMail
from subscriptions import lifecycle
from tests.admin.page_form import submit

Action = Entry.Action
LIST = "/admin/audit/entry/"


def entries(model: str, action: int = Action.UPDATE) -> list[Entry]:
    return list(Entry.objects.filter(content_type__model=model, action=action))


@pytest.fixture
def subscription(alice, starter):
    return lifecycle.subscribe(user=alice, product=starter, display_name="Of alice")


def test_change_by_a_form_tells_who_what_before_and_after(admin, admin_user, api):
    submit(admin, reverse("admin:apis_api_change", args=[api.pk]), "api_form", display_name="Renamed")
    (entry,) = entries("api")
    assert (entry.actor, entry.actor_email, entry.via) == (admin_user, "admin@example.org", "administration")
    assert (entry.object_pk, entry.remote_addr) == (str(api.pk), "127.0.0.1")
    assert entry.changes["display_name"] == ["AzureML Demo API", "Renamed"]


def test_row_that_is_added_and_deleted_is_noted(admin):
    admin.post("/admin/accounts/group/add/", {"display_name": "Partners", "name": "partners"})
    group = Group.objects.get(name="partners")
    admin.post(reverse("admin:accounts_group_delete", args=[group.pk]), {"post": "yes"})
    assert [entry.object_repr for entry in entries("group", Action.CREATE)] == ["Partners"]
    assert [entry.changes["name"] for entry in entries("group", Action.DELETE)] == [["partners", "None"]]


def test_members_that_are_added_are_named(admin, alice):
    group = Group.objects.create(name="partners", display_name="Partners")
    submit(admin, reverse("admin:accounts_group_change", args=[group.pk]), "group_form", new_members=[alice.pk])
    assert [entry.changes["members"]["objects"] for entry in entries("group")] == [["Alice"]]


def test_step_with_a_subscription_is_one_act(admin, subscription):
    admin.post(reverse("admin:subscriptions_subscription_step", args=["suspend"]), {"id": subscription.pk})
    (entry,) = entries("subscription")
    assert entry.changes["state"] == ["active", "suspended"]
    assert entry.cid == entries("subscriptionevent", Action.CREATE)[0].cid


def test_key_that_is_replaced_leaves_no_trace_of_its_value(admin, subscription):
    page = reverse("admin:subscriptions_subscription_keys", args=[subscription.pk])
    key = subscription.keys.get(slot="primary").pk
    admin.post(page, {"key": key, "overlap": "0", "value": "Zq8-hJ2m_W4x.T7vK9pL3s"})
    assert entries("subscriptionevent", Action.CREATE)
    text = str(list(Entry.objects.values()))
    assert "Zq8-hJ2m_W4x.T7vK9pL3s" not in text
    assert not any(key.digest in text or (key.ciphertext and key.ciphertext in text) for key in subscription.keys.all())


def test_password_is_masked(admin, alice):
    submit(
        admin,
        reverse("admin:auth_user_password_change", args=[alice.pk]),
        "user_form",
        password1="a new and long one",
        password2="a new and long one",
    )
    assert [entry.changes["password"] for entry in entries("user")] == [[MASK, MASK]]


def test_mail_that_is_sent_again_is_noted(admin):
    mail = OutboxMail.objects.create(message=b"x", sender="a@b", recipients=["c@d"], subject="Hello", state="failed")
    admin.post("/admin/notifications/outboxmail/", {"action": "send_again", "_selected_action": [mail.pk]})
    assert [(entry.object_repr, entry.text) for entry in entries("outboxmail")] == [(str(mail), "Sent again.")]


def test_what_developers_do_is_not_noted(signed_in, alice, starter):
    signed_in(alice).post("/profile/name/", {"first_name": "Alicia", "last_name": "Jones"})
    lifecycle.subscribe(user=alice, product=starter, display_name="Of alice")
    assert User.objects.get(pk=alice.pk).first_name == "Alicia"
    assert not Entry.objects.filter(actor=alice).exists()
    assert not Entry.objects.filter(content_type__model="subscription").exists()


def test_what_an_administrator_does_in_the_portal_is_noted(admin, admin_user):
    admin.post("/profile/name/", {"first_name": "Ada", "last_name": "Admin"})
    assert [(entry.actor, entry.via) for entry in entries("user")] == [(admin_user, "portal")]


def test_service_that_a_command_makes_is_noted(db):
    call_command("create_service", "--name", "demo", "--organization", "Contoso", "--email", "a@example.org")
    (entry,) = entries("service", Action.CREATE)
    assert (entry.actor, entry.actor_email, entry.via) == (None, "", "create_service")


def test_reading_notes_nothing(admin, api):
    admin.get(reverse("admin:apis_api_change", args=[api.pk]))
    assert not Entry.objects.filter(actor__isnull=False).exists()


def test_long_document_is_shortened(admin_user, api):
    with acting(via="test", by=admin_user):
        api.description = "x" * 10_000
        api.save()
    assert len(entries("api")[0].changes["description"][1]) == MAX_VALUE_CHARACTERS + 1


@pytest.mark.parametrize("words", ["sealed", "passw", "secret", "token", "digest", "ciphertext", "delegation_key"])
def test_no_field_whose_name_tells_of_a_secret_is_open(words):
    for model in apps.get_models():
        for field in model._meta.fields:
            if words in field.name and is_watched(model) and not field.is_relation:
                assert is_secret(field), field


def test_second_factors_are_secret():
    assert is_secret(apps.get_model("mfa.authenticator")._meta.get_field("data"))


@pytest.fixture
def entry(admin_user, starter):
    with acting(via="test", by=admin_user, address="192.0.2.7"):
        starter.display_name = "Beginners"
        starter.save()
    return entries("product")[0]


def test_entry_cannot_be_changed_even_in_the_database(entry):
    with pytest.raises(DatabaseError, match="stay as they are"), transaction.atomic():
        Entry.objects.filter(pk=entry.pk).update(actor_email="mallory@example.org")


def test_entry_cannot_be_deleted_even_in_the_database(entry):
    with pytest.raises(DatabaseError, match="stay as they are"), transaction.atomic():
        Entry.objects.filter(pk=entry.pk).delete()


def test_entries_stay_after_others_were_pruned(entry, settings):
    settings.AUDIT_DAYS = 1
    tasks.prune()
    test_entry_cannot_be_deleted_even_in_the_database(entry)


@pytest.mark.parametrize("page", ["change", "delete"])
def test_entry_can_be_neither_changed_nor_deleted_on_its_page(admin, entry, page):
    assert admin.post(reverse(f"admin:audit_entry_{page}", args=[entry.pk]), {"post": "yes"}).status_code == 403
    assert Entry.objects.filter(pk=entry.pk, actor_email="admin@example.org").exists()


def test_page_of_an_entry_shows_before_and_after(admin, entry):
    page = admin.get(reverse("admin:audit_entry_change", args=[entry.pk])).content.decode()
    assert ">Changed<" in page
    assert "Changed: Beginners" in page
    assert "<del>Starter</del>" in page
    assert "<ins>Beginners</ins>" in page
    assert "192.0.2.7" in page


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ({"q": "beginn"}, True),
        ({"q": "inners"}, False),
        ({"q": "192.0.2.7"}, True),
        ({"action": "1"}, True),
        ({"action": "2"}, False),
        ({"action": "x"}, True),
        ({"content_type": "x"}, True),
        ({"period": "day"}, True),
        ({"object_pk": "none"}, False),
        ({"act": "none"}, False),
    ],
    ids=str,
)
def test_entries_are_found(admin, entry, query, is_found):
    found = admin.get(LIST, query).context["cl"].result_list
    assert (entry in list(found)) is is_found


def test_history_of_an_object_is_in_the_log(admin, entry, starter):
    page = admin.get(reverse("admin:subscriptions_product_history", args=[starter.pk]), follow=True)
    assert page.context["cl"].result_list[0] == entry


def test_entries_are_not_counted(admin, entry):
    with CaptureQueriesContext(connection) as queries:
        admin.get(LIST)
    assert not [query for query in queries if "COUNT(" in query["sql"] and '"audit_entry"' in query["sql"]]


@pytest.mark.parametrize(("days", "stays"), [(0, True), (1, False), (3, True)])
def test_old_entries_are_pruned_if_that_is_set(entry, settings, monkeypatch, days, stays):
    settings.AUDIT_DAYS = days
    monkeypatch.setattr(tasks.timezone, "now", lambda: entry.timestamp + timedelta(days=2))
    tasks.prune()
    assert Entry.objects.filter(pk=entry.pk).exists() is stays
