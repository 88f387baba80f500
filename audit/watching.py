"""What is audited: every model but those that programs write, and of secrets only that they were changed."""

import re
from typing import Any

from auditlog.registry import auditlog
from django.apps import apps
from django.db import models

MASK = "••••••"

# Of these apps no administrator changes a row, or a program writes rows without end.
UNWATCHED_APPS = {"admin", "analytics", "audit", "auditlog", "auth", "contenttypes", "events", "publisher", "sessions"}
UNWATCHED = {
    "alerts.alertchange",
    "account.emailconfirmation",
    "accounts.spenttoken",
    "notifications.mailing",
    "notifications.outboxmail",
    "subscriptions.expirynotice",
    "subscriptions.formerkey",
    "socialaccount.socialtoken",
    "usersessions.usersession",
    "webhooks.attempt",
    "webhooks.delivery",
}
# A field is secret if its name says so; nobody has to think of it where one is added.
_SECRET = re.compile(r"secret|sealed|passw|token|cipher|digest|credential|private|(^|_)(key|otp|pin|salt)(_|$)")
# Nothing tells what a document holds, so those are secret but for these.
_OPEN_DOCUMENTS = {"apis.parameter.values", "webhooks.endpoint.events"}


def watch() -> None:
    """Let django-auditlog notice each change; entries are made of it while somebody acts."""
    for model in apps.get_models():
        if is_watched(model):
            auditlog.register(
                model,
                include_fields=[field.name for field in model._meta.fields],
                mask_fields=[field.name for field in model._meta.fields if is_secret(field)],
                mask_callable="audit.watching.masked",
                m2m_fields={field.name for field in model._meta.many_to_many if _is_plain(field)},
            )


def is_watched(model: type[models.Model]) -> bool:
    options = model._meta
    if options.proxy or not options.managed:
        return False
    return options.app_label not in UNWATCHED_APPS and options.label_lower not in UNWATCHED


def is_secret(field: "models.Field[Any, Any]") -> bool:
    if isinstance(field, models.JSONField | models.BinaryField):
        return f"{field.model._meta.label_lower}.{field.name}" not in _OPEN_DOCUMENTS
    return not field.is_relation and _SECRET.search(field.name) is not None


def masked(value: str) -> str:
    return "" if value in ("", "None") else MASK


def _is_plain(field: "models.ManyToManyField[Any, Any]") -> bool:
    """Rows of a table of its own are noticed as such."""
    through = field.remote_field.through
    return through is not None and bool(through._meta.auto_created)
