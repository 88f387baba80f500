"""Mails to developers about their subscriptions, quotas and the APIs that they subscribe to."""

from django.utils.translation import gettext_lazy as _

from notifications.catalogue.base import Category, MailTemplate

DEAR = _("Dear {{ receiver }},")
COMMENT = _("{{#comment}}The administrator wrote: {{ comment }}{{/comment}}")
QUOTA_OF = _(
    "{{#api}}It is the quota for {{ api }}{{#operation}}: {{ operation }}{{/operation}}, "
    "which counts beside that of the whole product.{{/api}}"
)
OPEN_SUBSCRIPTION = _("[Open the subscription]({{ subscription_url }})")

_SUBSCRIPTION = ("subscription", "product", "comment", "by", "subscription_url", "profile_url")

TEMPLATES = (
    MailTemplate(
        "requestDeveloperNotificationMessage",
        _("Subscription request received"),
        _("To the developer, when a subscription that needs approval was asked for."),
        Category.SUBSCRIPTION,
        _("Your request for {{ product }} was received"),
        (
            DEAR,
            _(
                "we have received your request for a subscription to {{ product }}, named “{{ subscription }}”. "
                "You will get another mail when it has been decided."
            ),
            OPEN_SUBSCRIPTION,
        ),
        _SUBSCRIPTION,
    ),
    MailTemplate(
        "purchaseDeveloperNotificationMessage",
        _("New subscription activated"),
        _("To the developer, when a subscription begins: at once, or once it is approved."),
        Category.SUBSCRIPTION,
        _("Your subscription to {{ product }} is active"),
        (
            DEAR,
            _(
                "your subscription “{{ subscription }}” to {{ product }} is active. "
                "Its page shows the keys, which open the APIs."
            ),
            COMMENT,
            OPEN_SUBSCRIPTION,
        ),
        _SUBSCRIPTION,
    ),
    MailTemplate(
        "rejectDeveloperNotificationMessage",
        _("Subscription request declined"),
        _("To the developer, when an administrator declines a request."),
        Category.SUBSCRIPTION,
        _("Your request for {{ product }} was declined"),
        (
            DEAR,
            _("your request for a subscription to {{ product }}, named “{{ subscription }}”, was declined."),
            COMMENT,
            OPEN_SUBSCRIPTION,
        ),
        _SUBSCRIPTION,
    ),
    MailTemplate(
        "suspendDeveloperNotificationMessage",
        _("Subscription suspended"),
        _("To the developer, when a subscription is suspended."),
        Category.SUBSCRIPTION,
        _("Your subscription to {{ product }} is suspended"),
        (
            DEAR,
            _(
                "your subscription “{{ subscription }}” to {{ product }} was suspended. "
                "Until it is resumed, calls with its keys are refused."
            ),
            COMMENT,
            OPEN_SUBSCRIPTION,
        ),
        _SUBSCRIPTION,
    ),
    MailTemplate(
        "resumeDeveloperNotificationMessage",
        _("Subscription resumed"),
        _("To the developer, when a suspended subscription works again."),
        Category.SUBSCRIPTION,
        _("Your subscription to {{ product }} is active again"),
        (
            DEAR,
            _("your subscription “{{ subscription }}” to {{ product }} was resumed. Its keys work again."),
            COMMENT,
            OPEN_SUBSCRIPTION,
        ),
        _SUBSCRIPTION,
    ),
    MailTemplate(
        "cancelDeveloperNotificationMessage",
        _("Subscription cancelled"),
        _("To the developer, when a subscription is cancelled by anybody."),
        Category.SUBSCRIPTION,
        _("Your subscription to {{ product }} is cancelled"),
        (
            DEAR,
            _("your subscription “{{ subscription }}” to {{ product }} was cancelled. Its keys do not work any more."),
            "{{#cause}}{{ cause }}{{/cause}}",
            COMMENT,
            OPEN_SUBSCRIPTION,
        ),
        (*_SUBSCRIPTION, "cause"),
    ),
    MailTemplate(
        "expireDeveloperNotificationMessage",
        _("Subscription expired"),
        _("To the developer, when a subscription's time is over."),
        Category.SUBSCRIPTION,
        _("Your subscription to {{ product }} has expired"),
        (
            DEAR,
            _("your subscription “{{ subscription }}” to {{ product }} has expired. Its keys do not work any more."),
            OPEN_SUBSCRIPTION,
        ),
        _SUBSCRIPTION,
    ),
    MailTemplate(
        "expiringDeveloperNotificationMessage",
        _("Subscription expires soon"),
        _("To the developer, 30, 7 and 1 days before a subscription expires."),
        Category.EXPIRY,
        _("Your subscription to {{ product }} expires on {{ expires_on }}"),
        (
            DEAR,
            _(
                "your subscription “{{ subscription }}” to {{ product }} expires on {{ expires_on }} "
                "(days left: {{ days }}). From then on, calls with its keys are refused."
            ),
            OPEN_SUBSCRIPTION,
        ),
        (*_SUBSCRIPTION, "days", "expires_on"),
    ),
    MailTemplate(
        "keyRegeneratedDeveloperNotificationMessage",
        _("Key regenerated"),
        _("To everybody who uses a subscription, when one of its keys is replaced."),
        Category.SECURITY,
        _("A key of your subscription to {{ product }} is new"),
        (
            DEAR,
            _(
                "the {{ key }} key of your subscription “{{ subscription }}” to {{ product }} was regenerated"
                "{{#by}} by {{ by }}{{/by}}. Programs that use the old one need the new one."
            ),
            OPEN_SUBSCRIPTION,
        ),
        (*_SUBSCRIPTION, "key"),
    ),
    MailTemplate(
        "quotaLimitApproachingDeveloperNotificationMessage",
        _("Developer quota limit approaching"),
        _("To the developer, when 80 % of a quota are used."),
        Category.QUOTA,
        _(
            "{{ percent }} % of your quota for {{ product }}{{#api}}: {{ api }}{{/api}}"
            "{{#operation}}: {{ operation }}{{/operation}} are used"
        ),
        (
            DEAR,
            _(
                "{{ used }} of {{ quota }} of the quota of your subscription “{{ subscription }}” to {{ product }} "
                "are used. "
                "Once it is used up, calls are refused{{#resets_on}} until {{ resets_on }}{{/resets_on}}."
            ),
            QUOTA_OF,
            OPEN_SUBSCRIPTION,
        ),
        (*_SUBSCRIPTION, "api", "operation", "percent", "used", "quota", "resets_on"),
    ),
    MailTemplate(
        "quotaReachedDeveloperNotificationMessage",
        _("Developer quota used up"),
        _("To the developer, when a quota is used up."),
        Category.QUOTA,
        _(
            "Your quota for {{ product }}{{#api}}: {{ api }}{{/api}}{{#operation}}: {{ operation }}{{/operation}} "
            "is used up"
        ),
        (
            DEAR,
            _(
                "the quota of your subscription “{{ subscription }}” to {{ product }}, {{ quota }}, is used up. "
                "Calls are refused{{#resets_on}} until {{ resets_on }}{{/resets_on}}."
            ),
            QUOTA_OF,
            OPEN_SUBSCRIPTION,
        ),
        (*_SUBSCRIPTION, "api", "operation", "percent", "used", "quota", "resets_on"),
    ),
    MailTemplate(
        "announcementDeveloperNotificationMessage",
        _("Announcement"),
        _("To everybody who subscribes to an API or product, when the publisher announces something."),
        Category.API_NEWS,
        _("{{ announcement_subject }}"),
        (
            _("{{ announcement }}"),
            _("You get this mail because you subscribe to {{ product }}."),
        ),
        ("announcement_subject", "announcement", "product"),
    ),
    MailTemplate(
        "apiDeprecatedDeveloperNotificationMessage",
        _("API deprecated"),
        _("To everybody who subscribes to an API, when it or an operation of it is marked as deprecated."),
        Category.API_NEWS,
        _("{{ api }} is deprecated{{#operation}}: {{ operation }}{{/operation}}"),
        (
            DEAR,
            _(
                "you subscribe to the API {{ api }}. {{#operation}}Its operation “{{ operation }}” is deprecated "
                "from {{ deprecated_on }} on.{{/operation}}"
                "{{#whole_api}}It is deprecated from {{ deprecated_on }} on.{{/whole_api}}"
            ),
            _("{{#sunset_on}}It is offered until **{{ sunset_on }}**. After that, calls may fail.{{/sunset_on}}"),
            _("{{#successor}}Use this API in its place: [{{ successor }}]({{ successor_url }}){{/successor}}"),
            _("{{#migration_url}}[Read how to change over]({{ migration_url }}){{/migration_url}}"),
            _("[Open the documentation]({{ page_url }})"),
        ),
        (
            "api",
            "operation",
            "whole_api",
            "deprecated_on",
            "sunset_on",
            "successor",
            "successor_url",
            "migration_url",
            "page_url",
        ),
    ),
)
