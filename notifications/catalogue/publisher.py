"""Mails to the publisher: to the recipients of one of the notifications."""

from django.utils.translation import gettext_lazy as _

from notifications.catalogue.base import Category, MailTemplate
from notifications.catalogue.subscriptions import QUOTA_OF

_DEVELOPER = ("developer", "developer_email", "admin_url")
_ALERT = ("alert", "subscription", "measure", "value", "threshold", "period", "watched", "note", "when", "admin_url")
_DECISION = ("approve_url", "reject_url")

TEMPLATES = (
    MailTemplate(
        "requestPublisherNotificationMessage",
        _("Subscription request (to the publisher)"),
        _("When a developer asks for a subscription that needs approval."),
        Category.PUBLISHER,
        _("Subscription request for {{ product }}"),
        (
            _(
                "{{ developer }} ({{ developer_email }}) asks for a subscription to {{ product }}, "
                "named “{{ subscription }}”."
            ),
            _("Its keys work once you approve it."),
            _("[Approve]({{ approve_url }})"),
            _("[Decline]({{ reject_url }})"),
        ),
        (*_DEVELOPER, *_DECISION, "subscription", "product"),
    ),
    MailTemplate(
        "purchasePublisherNotificationMessage",
        _("New subscription (to the publisher)"),
        _("When a developer has subscribed and the subscription is active at once."),
        Category.PUBLISHER,
        _("New subscription to {{ product }}"),
        (
            _(
                "{{ developer }} ({{ developer_email }}) has subscribed to {{ product }}. "
                "The subscription is named “{{ subscription }}” and is active."
            ),
            _("[See the subscription]({{ admin_url }})"),
        ),
        (*_DEVELOPER, "subscription", "product"),
    ),
    MailTemplate(
        "newApplicationNotificationMessage",
        _("Application submitted (to the publisher)"),
        _("When a developer submits an application to the gallery."),
        Category.PUBLISHER,
        _("Application submitted: {{ title }}"),
        (
            _("{{ developer }} ({{ developer_email }}) has submitted the application “{{ title }}”."),
            _("[See it]({{ page_url }})"),
        ),
        (*_DEVELOPER, "title", "page_url"),
    ),
    MailTemplate(
        "newIssuePublisherNotificationMessage",
        _("New issue or comment (to the publisher)"),
        _("When a developer opens an issue or comments on one."),
        Category.PUBLISHER,
        _("{{ api }}: {{ title }}"),
        (
            _("{{ developer }} ({{ developer_email }}) wrote about {{ api }}, “{{ title }}”:"),
            _("{{ text }}"),
            _("[Answer it]({{ admin_url }})"),
        ),
        (*_DEVELOPER, "api", "title", "text", "page_url"),
    ),
    MailTemplate(
        "signUpRequestPublisherNotificationMessage",
        _("Sign-up request (to the publisher)"),
        _("When somebody has signed up whose account needs approval."),
        Category.PUBLISHER,
        _("{{ developer_email }} asks for an account"),
        (
            _("{{ developer }} ({{ developer_email }}) has signed up and waits for your approval."),
            _("[Approve]({{ approve_url }})"),
            _("[Decline]({{ reject_url }})"),
        ),
        (*_DEVELOPER, *_DECISION),
    ),
    MailTemplate(
        "accountClosedPublisher",
        _("Account closed (to the publisher)"),
        _("When a developer closes the account."),
        Category.PUBLISHER,
        _("{{ developer_email }} has closed the account"),
        (_("{{ developer }} ({{ developer_email }}) has closed the account."),),
        _DEVELOPER,
    ),
    MailTemplate(
        "quotaLimitApproachingPublisherNotificationMessage",
        _("Quota limit approaching (to the publisher)"),
        _("When 80 or 100 % of the quota of a subscription are used."),
        Category.PUBLISHER,
        _(
            "{{ developer }} has used {{ percent }} % of the quota for {{ product }}{{#api}}: {{ api }}{{/api}}"
            "{{#operation}}: {{ operation }}{{/operation}}"
        ),
        (
            _(
                "The subscription “{{ subscription }}” of {{ developer }} ({{ developer_email }}) to {{ product }} "
                "has used {{ used }} of {{ quota }} of its quota."
            ),
            QUOTA_OF,
            _("[See the subscription]({{ admin_url }})"),
        ),
        (*_DEVELOPER, "subscription", "product", "api", "operation", "percent", "used", "quota", "resets_on"),
    ),
    MailTemplate(
        "webhookSwitchedOffPublisher",
        _("Webhook switched off (to the publisher)"),
        _("When nothing could be delivered to a webhook for days, or its receiver says that it is gone."),
        Category.PUBLISHER,
        _("The webhook “{{ webhook }}” was switched off"),
        (
            _("Nothing is sent to the webhook “{{ webhook }}” any more: {{ reason }}"),
            _("What waits is kept for 30 days, and is sent when you switch the webhook on again."),
            _("[See the webhook]({{ page_url }})"),
        ),
        ("webhook", "reason", "page_url"),
    ),
    MailTemplate(
        "alertFiredPublisher",
        _("Alert (to the recipients of the rule)"),
        _("When the value that an alert rule watches has left its limits."),
        Category.PUBLISHER,
        _("Alert: {{ alert }}"),
        (
            _("{{ watched }}: {{ measure }} {{ value }}. The alert rule “{{ alert }}” fires at {{ threshold }}."),
            _("It looks back {{ period }}, and fires since {{ when }}."),
            _("{{#subscription}}It is the subscription “{{ subscription }}”.{{/subscription}}"),
            _("{{#note}}What to do: {{ note }}{{/note}}"),
            _("[See the alert]({{ admin_url }})"),
        ),
        _ALERT,
    ),
    MailTemplate(
        "alertResolvedPublisher",
        _("Alert is over (to the recipients of the rule)"),
        _("When the value that an alert rule watches is good again."),
        Category.PUBLISHER,
        _("Over: {{ alert }}"),
        (
            _(
                "{{#value}}{{ watched }}: {{ measure }} {{ value }}. {{/value}}"
                "The alert “{{ alert }}” is over since {{ when }}."
            ),
            _("[See the alert]({{ admin_url }})"),
        ),
        _ALERT,
    ),
)
