"""One mail of the catalogue, ready to go into the outbox."""

from collections.abc import Iterable, Mapping

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.urls import reverse
from django.utils.translation import get_language

from accounts.models import User
from notifications import preferences
from notifications.catalogue import Category, MailTemplate
from notifications.rendering import Footer, Rendered, Text, render
from notifications.texts import text_of

# Links in these open an account, so that nobody else gets a copy.
UNCOPIED = (Category.SECURITY, Category.ACCOUNT, Category.PUBLISHER)


class Mail(EmailMultiAlternatives):
    """A mail with a plain and an HTML form. `is_bulk`: one of many, which lets others pass."""

    is_bulk = False


def compose(
    template: MailTemplate,
    email: str,
    values: Mapping[str, str],
    *,
    user: User | None = None,
    text: Text | None = None,
) -> Mail:
    """A mail in the language that is active. `text` is looked up where it is not given."""
    if text is None:
        text = text_of(template, get_language() or settings.LANGUAGE_CODE)
    headers = {"Auto-Submitted": "auto-generated"}
    footer = Footer()
    if user is not None and template.is_optional:
        token = preferences.unsubscribe_token(user, template.category)
        url = settings.PORTAL_URL + reverse("portal:unsubscribe", args=[token])
        footer = Footer(url, settings.PORTAL_URL + reverse("portal:notification_preferences"))
        # One click, without a question, for mail programs (RFC 8058).
        headers |= {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    return message(render(text, values, footer), email, headers)


def compose_copy(
    template: MailTemplate,
    email: str,
    values: Mapping[str, str],
    readers: Iterable[str],
    *,
    text: Text | None = None,
) -> Mail | None:
    """The blind copy of a mail to `email`; None where nobody is to read it.

    A mail of its own, for the receiver's has links that choose his mails without asking who follows them.
    """
    others = [reader for reader in readers if reader.lower() != email.lower()]
    if template.category in UNCOPIED or not others:
        return None
    mail = compose(template, email, values, text=text)
    mail.to, mail.bcc = [], others
    mail.extra_headers["To"] = email
    return mail


def message(rendered: Rendered, email: str, headers: dict[str, str]) -> Mail:
    mail = Mail(rendered.subject, rendered.text, to=[email], headers=headers)
    mail.attach_alternative(rendered.html, "text/html")
    return mail
