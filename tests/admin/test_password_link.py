"""An administrator sends somebody a link to choose a new password."""

import re

import pytest
from django.core import mail
from django.urls import reverse

from accounts.models import User
from audit.models import Entry

NEW = "staple battery correct horse"


def step(user: User) -> str:
    return reverse("admin:accounts_user_password_link", args=[user.pk])


def link() -> str:
    (found,) = re.findall(r"https?://[^/\s]+(/\S+/password/reset/key/\S+/)", mail.outbox[0].body)
    return found


def test_link_that_is_sent_sets_a_new_password_once(admin, alice, client):
    assert step(alice) in admin.get(reverse("admin:accounts_user_change", args=[alice.pk])).text
    admin.post(step(alice))
    assert (mail.outbox[-1].to, len(mail.outbox)) == ([alice.email], 1)
    page = client.get(link(), follow=True)
    client.post(page.redirect_chain[-1][0], {"password1": NEW, "password2": NEW})
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    assert "token_fail" in client.get(link(), follow=True).context


def test_history_tells_of_the_mail_and_has_no_link(admin, alice):
    admin.post(step(alice))
    told = [f"{entry.text}{entry.changes}" for entry in Entry.objects.filter(object_pk=str(alice.pk))]
    assert any("Password reset sent." in text for text in told)
    assert "reset/key" not in "".join(told)


def test_mail_is_in_the_persons_language(admin, alice, settings):
    alice.language = "de"
    alice.save()
    admin.post(step(alice))
    assert mail.outbox[-1].alternatives[0][0].count('lang="de"') == 1


def test_looking_sends_nothing_and_neither_does_a_blocked_account(admin, alice):
    admin.get(step(alice))
    User.objects.filter(pk=alice.pk).update(state=User.State.BLOCKED)
    assert "Activate the account first" in admin.post(step(alice), follow=True).text
    assert mail.outbox == []


@pytest.mark.parametrize("who", ["developer", "staff"])
def test_others_send_none(signed_in, bob, admin_user, who):
    bob.is_staff = who == "staff"
    bob.save()
    assert signed_in(bob).post(step(admin_user)).status_code in (302, 403)
    assert mail.outbox == []
