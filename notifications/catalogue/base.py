"""What a mail template is."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Words = str | Promise


class Category(models.TextChoices):
    """What a mail is about. A person chooses the optional ones; see OPTIONAL."""

    SECURITY = "security", _("Security of the account")
    ACCOUNT = "account", _("Account and teams")
    SUBSCRIPTION = "subscription", _("Subscriptions")
    EXPIRY = "expiry", _("Subscriptions that end soon")
    QUOTA = "quota", _("Quotas")
    API_NEWS = "apiNews", _("News about APIs")
    DISCUSSION = "discussion", _("Issues, comments and applications")
    PUBLISHER = "publisher", _("Notifications of the publisher")


# What each optional category holds, and why the others are none.
OPTIONAL: Mapping[Category, Words] = {
    Category.EXPIRY: _("30, 7 and 1 days before a subscription of yours expires."),
    Category.QUOTA: _("When 80 and 100 % of a subscription's quota are used."),
    Category.API_NEWS: _("What the publisher announces about APIs and products that you subscribe to."),
    Category.DISCUSSION: _("New issues and comments, and what became of an application that you submitted."),
}
FIXED: Mapping[Category, Words] = {
    Category.SECURITY: _("These tell you when somebody else uses your account."),
    Category.ACCOUNT: _("What becomes of your account, and what teams ask of you."),
    Category.SUBSCRIPTION: _("What becomes of your subscriptions, and with them of your keys."),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """`is_markdown`: a text of the publisher that keeps its markup; all others are shown as they are."""

    title: Words
    sample: Words
    is_markdown: bool = False


@dataclass(frozen=True, slots=True)
class MailTemplate:
    """A mail that can be sent. `body` is a list of paragraphs in Markdown, each translated by itself.

    `parameters` are names of `catalogue.parameters.PARAMETERS`, beside those that each mail has.
    `account_mails` are the mails of allauth that it replaces.
    """

    name: str
    title: Words
    description: Words
    category: Category
    subject: Words
    body: tuple[Words, ...]
    parameters: tuple[str, ...] = ()
    account_mails: tuple[str, ...] = field(default=())

    @property
    def is_optional(self) -> bool:
        return self.category in OPTIONAL

    @property
    def is_for_publisher(self) -> bool:
        return self.category == Category.PUBLISHER
