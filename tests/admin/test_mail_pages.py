"""The administration's pages of mails: texts, recipients, announcements, the server, and what failed."""

import pytest
from django.core import mail
from django.urls import reverse

from events.models import Event
from notifications import mail_server, publisher
from notifications.models import Announcement, BouncedAddress, MailServer, MailText, OutboxMail, PublisherNotification
from subscriptions import lifecycle
from tests.notifications import smtp_server

TEXTS = "/admin/notifications/mailtext/"
EDIT = f"{TEXTS}purchaseDeveloperNotificationMessage/"
SERVER = "/admin/notifications/mailserver/"
COMPOSE = "/admin/notifications/announcement/add/"
PAGES = [
    TEXTS,
    EDIT,
    SERVER,
    COMPOSE,
    "/admin/notifications/publishernotification/",
    "/admin/notifications/outboxmail/",
]
FORM_ID = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize("page", PAGES)
def test_only_administrators_see_the_pages(admin, signed_in, alice, page):
    assert admin.get(page).status_code == 200
    assert signed_in(alice).get(page).status_code in (302, 403)


def test_own_text_is_saved_shown_as_changed_and_reset(admin):
    admin.post(f"{EDIT}?language=de", {"subject": "Hallo {{ receiver }}", "body": "Neu", "do": "save"})
    assert MailText.objects.get().language == "de"
    assert "Deutsch" in admin.get(TEXTS).content.decode()
    assert "Hallo {{ receiver }}" in admin.get(f"{EDIT}?language=de").content.decode()
    admin.post(f"{EDIT}?language=de", {"do": "reset"})
    assert not MailText.objects.exists()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param("Hello\n{{ password }}", "Line 2: this mail has no parameter", id="unknown parameter"),
        pytest.param("{{#comment}}Hello", "Line 1 cannot be read", id="no end"),
        pytest.param("{% load i18n %} {{ a.b }}", "Line 1 cannot be read", id="another language"),
        pytest.param("x" * 20_001, "at most 20000 characters", id="too long"),
    ],
)
def test_text_that_cannot_be_used_is_refused_and_kept_in_the_form(admin, body, problem):
    answer = admin.post(EDIT, {"subject": "Mine", "body": body, "do": "save"}).content.decode()
    assert problem in answer
    assert 'value="Mine"' in answer
    assert not MailText.objects.exists()


def test_preview_is_sandboxed_and_saves_nothing(admin):
    body = "Hello {{ receiver }} <script>alert(1)</script> [x](javascript:alert(1))"
    answer = admin.post(EDIT, {"subject": "S", "body": body, "do": "preview"}).content.decode()
    assert "sandbox" in answer
    assert "Hello Alice Example" in answer
    assert 'href="javascript' not in answer
    assert "<script>alert(1)" not in answer
    assert not MailText.objects.exists()


def test_test_mail_goes_to_oneself_with_sample_values(admin, admin_user):
    admin.post(EDIT, {"subject": "For {{ receiver }}", "body": "Hello", "do": "test"})
    [sent] = mail.outbox
    assert (sent.to, sent.subject) == ([admin_user.email], "For Alice Example")


def test_unknown_template_or_language_is_not_found(admin):
    assert admin.get(f"{TEXTS}nothing/").status_code == 404
    assert admin.get(f"{EDIT}?language=xx").status_code == 404


def test_recipients_of_a_notification_are_chosen(admin, service, admin_user):
    admin.get("/admin/notifications/publishernotification/")
    row = PublisherNotification.objects.get(name=publisher.Notification.REQUEST)
    page = reverse("admin:notifications_publishernotification_change", args=[row.pk])
    admin.post(page, {"emails": "a@example.org\n\nB@example.org", "users": [admin_user.pk]})
    assert list(publisher.recipients_of(publisher.Notification.REQUEST, service)) == [
        "a@example.org",
        "B@example.org",
        admin_user.email,
    ]
    answer = admin.post(page, {"emails": "a@example.org\nnot an address"}).content.decode()
    assert "Line 2 is no e-mail address." in answer


def test_announcement_is_previewed_with_its_number_of_receivers_and_sent_once(admin, alice, bob, starter):
    lifecycle.create(display_name="Mine", by=None, owner=alice, product=starter)
    form = {"product": starter.pk, "subject": "News", "body": "**Hello**", "form_id": FORM_ID}
    answer = admin.post(COMPOSE, form | {"do": "preview"}).content.decode()
    assert "1 person gets it" in answer
    assert not Announcement.objects.exists()
    for _ in range(2):
        admin.post(COMPOSE, form | {"do": "send"})
    assert Announcement.objects.get().scope_name == starter.display_name
    assert Event.objects.filter(name="announcement.published").count() == 1


def test_pages_of_products_and_apis_lead_to_an_announcement_about_them(admin, starter, api):
    for name, row in (("subscriptions_product", starter), ("apis_api", api)):
        link = f"{COMPOSE}?{row._meta.model_name}={row.pk}"
        assert link in admin.get(reverse(f"admin:{name}_change", args=[row.pk])).content.decode()
        assert f'value="{row.pk}" selected' in admin.get(link).content.decode()


def test_announcement_needs_one_scope(admin, starter, api):
    for scope in ({}, {"product": starter.pk, "api": api.pk}):
        answer = admin.post(COMPOSE, {**scope, "subject": "S", "body": "B", "form_id": FORM_ID, "do": "send"})
        assert "Choose either a product or an API" in answer.content.decode()
    assert not Announcement.objects.exists()


def server_form(port: int, **fields) -> dict:
    return {"host": "127.0.0.1", "port": port, "security": "none", "username": "", "password": "", **fields}


def test_server_is_saved_with_a_sealed_password_that_no_page_shows(admin):
    admin.post(SERVER, server_form(2525, username="portal", password="very-secret", sender="Portal <p@example.org>"))
    row = MailServer.objects.get()
    assert "very-secret" not in row.sealed_password
    assert mail_server.current().password == "very-secret"
    assert "very-secret" not in repr(mail_server.current())
    assert "very-secret" not in admin.get(SERVER).content.decode()
    admin.post(SERVER, server_form(2526, username="portal"))
    assert mail_server.current().password == "very-secret"
    admin.post(SERVER, server_form(2526, host="mail.example.com"))
    assert mail_server.current().password == ""
    admin.post(SERVER, {"do": "reset"})
    assert mail_server.current() is None


def test_test_mail_tells_what_the_server_answers(admin, admin_user):
    with smtp_server.serving() as mailbox:
        form = server_form(mailbox.port, do="test", test_to="alice@example.org")
        assert "The server took the mail: 250 ok" in admin.post(SERVER, form).content.decode()
        assert mailbox.mails[0][1] == ["alice@example.org"]
        mailbox.refused["RCPT TO alice@example.org"] = "550 no such user"
        assert "refuses the recipient alice@example.org: 550 no such user" in admin.post(SERVER, form).content.decode()
    answer = admin.post(SERVER, server_form(mailbox.port, do="test")).content.decode()
    assert f"Nothing listens at 127.0.0.1, port {mailbox.port}." in answer
    assert not MailServer.objects.exists()


def test_failed_mail_is_sent_again_and_a_bounced_address_is_taken_off(admin):
    failed = OutboxMail.objects.create(
        message=b"x", sender="a@example.org", recipients=["b@example.org"], subject="S", state="failed", attempts=10
    )
    page = "/admin/notifications/outboxmail/"
    admin.post(page, {"action": "send_again", "_selected_action": [failed.pk]})
    failed.refresh_from_db()
    assert (failed.state, failed.attempts) == ("waiting", 0)
    bounced = BouncedAddress.objects.create(email="b@example.org", reason="550")
    admin.post(reverse("admin:notifications_bouncedaddress_delete", args=[bounced.pk]), {"post": "yes"})
    assert not BouncedAddress.objects.exists()
