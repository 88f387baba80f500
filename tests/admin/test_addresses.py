"""E-mail addresses that mail programs would read as another one are refused wherever an administrator writes one."""

import pytest
from django.core import mail

from accounts.models import Invitation, User
from notifications.models import PublisherNotification
from tests.admin.page_form import errors_of, submit

ENCODED = "=?utf-8?q?dora=40elsewhere.example=3e?=@example.org"
USERS = "/admin/accounts/user/"


def test_for_a_new_user(admin):
    values = {"first_name": "A", "last_name": "B", "usable_password": "false"}
    answer = submit(admin, f"{USERS}add/", "user_form", email=ENCODED, **values)
    assert "without “=?”" in errors_of(answer)
    assert not User.objects.filter(email=ENCODED).exists()


def test_for_a_user_who_is_there(admin, alice):
    assert "without “=?”" in errors_of(submit(admin, f"{USERS}{alice.pk}/change/", "user_form", email=ENCODED))
    assert User.objects.get(pk=alice.pk).email == alice.email


def test_for_an_invitation(admin):
    answer = admin.post("/admin/accounts/invitation/add/", {"emails": f"a@example.org {ENCODED}"})
    assert "is no e-mail address." in answer.text
    assert not Invitation.objects.exists()
    assert not mail.outbox


def test_for_the_recipients_of_a_notification(admin):
    admin.get("/admin/notifications/publishernotification/")
    row = PublisherNotification.objects.first()
    page = f"/admin/notifications/publishernotification/{row.pk}/change/"
    assert "Line 2 is no e-mail address." in admin.post(page, {"emails": f"a@example.org\n{ENCODED}"}).text
    row.refresh_from_db()
    assert row.emails == ""


def test_for_the_recipients_of_an_alert(admin):
    assert "Line 1 is no e-mail address." in admin.post("/admin/alerts/alertrule/add/", {"emails": ENCODED}).text


def test_for_the_services_administrator(admin, service):
    page = f"/admin/service/service/{service.pk}/change/"
    assert "without “=?”" in errors_of(submit(admin, page, "service_form", administrator_email=ENCODED))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"do": "test", "test_to": ENCODED}, "without “=?”"),
        ({"sender": f"Portal <{ENCODED}>"}, "Write an address, or a name and an address in angle brackets."),
    ],
)
def test_for_the_mail_server(admin, values, says):
    answer = admin.post("/admin/notifications/mailserver/", {"host": "h", "port": "25", "security": "none", **values})
    assert says in answer.text
