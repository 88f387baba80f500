"""Every mail that can be sent: its default text, its parameters, what it is about.

Names are Azure's where it has such a mail.
"""

from notifications.catalogue import accounts, publisher, subscriptions
from notifications.catalogue.base import FIXED, OPTIONAL, Category, MailTemplate, Parameter
from notifications.catalogue.parameters import COMMON, PARAMETERS

TEMPLATES = {
    template.name: template for template in (*subscriptions.TEMPLATES, *accounts.TEMPLATES, *publisher.TEMPLATES)
}
BY_ACCOUNT_MAIL = {prefix: template for template in TEMPLATES.values() for prefix in template.account_mails}


def parameters_of(template: MailTemplate) -> dict[str, Parameter]:
    return {name: PARAMETERS[name] for name in (*COMMON, *template.parameters)}


def samples_of(template: MailTemplate) -> dict[str, str]:
    return {name: str(parameter.sample) for name, parameter in parameters_of(template).items()}


__all__ = [
    "BY_ACCOUNT_MAIL",
    "FIXED",
    "OPTIONAL",
    "TEMPLATES",
    "Category",
    "MailTemplate",
    "Parameter",
    "parameters_of",
    "samples_of",
]
