"""The audit log: what administrators have changed. Its rows are written and never touched again."""

from typing import Any, ClassVar

from auditlog.models import AbstractLogEntry, LogEntryManager
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils.translation import gettext_lazy as _

from audit import acts

MAX_VALUE_CHARACTERS = 4000
MAX_NAME_CHARACTERS = 200
# The library's words for these are in no language.
ACTIONS = {
    AbstractLogEntry.Action.CREATE: _("Added"),
    AbstractLogEntry.Action.UPDATE: _("Changed"),
    AbstractLogEntry.Action.DELETE: _("Deleted"),
}


class EntryManager(LogEntryManager):
    """What django-auditlog notices becomes an entry if an administrator or a command is acting."""

    def create(self, **fields: Any) -> "Entry | None":  # type: ignore[override]
        act = acts.current()
        if act is None:
            return None
        # Columns of the library that this table does without.
        fields.pop("serialized_data", None)
        name = fields["object_repr"][:MAX_NAME_CHARACTERS]
        entry: Entry = super().create(
            **fields
            | {
                "object_repr": name,
                "searched": name.lower(),
                "changes": _shortened(fields.get("changes") or {}),
                "actor": act.by,
                "actor_email": act.by.email if act.by is not None else "",
                "remote_addr": act.address,
                "via": act.via,
                "cid": act.id,
            }
        )
        return entry

    def note(self, instance: models.Model, text: str) -> "Entry | None":
        """Note an act that changes no row, or whose rows are written past the models."""
        update = Entry.Action.UPDATE
        entry: Entry | None = self.log_create(instance, force_log=True, action=update, changes={}, text=text)
        return entry


def _shortened(changes: dict[str, Any]) -> dict[str, Any]:
    """So that a long document does not fill the log with each of its versions."""
    return {
        name: [_cut(one) for one in pair] if isinstance(pair, list | tuple) else pair for name, pair in changes.items()
    }


def _cut(value: Any) -> Any:
    if not isinstance(value, str) or len(value) <= MAX_VALUE_CHARACTERS:
        return value
    return f"{value[:MAX_VALUE_CHARACTERS]}…"


class Entry(AbstractLogEntry):
    """One row that was added, changed or deleted. Names are kept as they were, so that it outlives what it tells of."""

    serialized_data = None
    changes_text = None
    additional_data = None
    remote_port = None

    # Rows of neither table are deleted here, and an entry could not be changed if they were.
    content_type = models.ForeignKey(
        ContentType, verbose_name=_("kind"), on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("who"),
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
    )
    actor_email = models.CharField(_("address of who acted"), max_length=254, blank=True, default="")
    object_pk = models.CharField(_("ID"), max_length=255)
    object_id = models.BigIntegerField(_("number"), null=True)
    object_repr = models.CharField(_("object"), max_length=MAX_NAME_CHARACTERS)
    searched = models.CharField(_("object in lower case"), max_length=MAX_NAME_CHARACTERS)
    action = models.PositiveSmallIntegerField(_("action"), choices=AbstractLogEntry.Action.choices)
    text = models.CharField(_("text"), max_length=500, blank=True, default="")
    remote_addr = models.GenericIPAddressField(_("from address"), null=True)
    timestamp = models.DateTimeField(_("when"), auto_now_add=True)
    cid = models.CharField(_("act"), max_length=32)
    via = models.CharField(_("by way of"), max_length=40)

    objects: ClassVar[EntryManager] = EntryManager()

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit log")
        ordering = ["-pk"]
        indexes = [
            # The list, newest first, of somebody, of a kind, of an action, of a time; and the history of an object.
            models.Index(name="audit_who", fields=["actor", "-id"]),
            models.Index(name="audit_kind", fields=["content_type", "-id"]),
            models.Index(name="audit_action", fields=["action", "-id"]),
            models.Index(name="audit_when", fields=["timestamp"]),
            models.Index(name="audit_object", fields=["object_pk", "-id"]),
            models.Index(name="audit_act", fields=["cid"]),
            # The search by the beginning of a name.
            models.Index(name="audit_search", fields=["searched"], opclasses=["varchar_pattern_ops"]),
        ]

    def __str__(self) -> str:
        return f"{ACTIONS[self.action]}: {self.object_repr}"
