"""The audit log: who has changed what, when, from where. Nobody changes it, whatever his rights."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

# Registers the entries, which is taken back below: what is registered later could not be.
import auditlog.admin  # noqa: F401
from auditlog.registry import auditlog as watched
from django.apps import apps
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist, ValidationError
from django.db import models
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.paginator import InfinitePaginator

from audit.models import ACTIONS, MAX_NAME_CHARACTERS, Entry
from portal.administration.labels import label_column
from portal.administration.model_admin import AutocompleteFilter
from portal.administration.read_only import ReadOnlyAdmin

Action = Entry.Action
COLOURS = {Action.CREATE: "success", Action.UPDATE: "info", Action.DELETE: "danger"}
PERIODS = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
SHOWN_FIELDS = 4

if admin.site.is_registered(Entry):
    admin.site.unregister(Entry)


class PeriodFilter(admin.SimpleListFilter):
    title = _("period")
    parameter_name = "period"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [
            ("day", gettext("Last 24 hours")),
            ("week", gettext("Last 7 days")),
            ("month", gettext("Last 30 days")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        period = PERIODS.get(self.value() or "")
        return queryset if period is None else queryset.filter(timestamp__gte=timezone.now() - period)


class ActionFilter(admin.SimpleListFilter):
    title = _("action")
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [(str(action), str(label)) for action, label in ACTIONS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        value = self.value() or ""
        return queryset.filter(action=int(value)) if value in {str(action) for action in ACTIONS} else queryset


# Allauth names this one in no language.
NAMES = {("mfa", "authenticator"): _("second factor")}


def _kind_of(kind: ContentType) -> str:
    return str(capfirst(NAMES.get(kind.natural_key(), kind.name)))


class KindFilter(admin.SimpleListFilter):
    """The kinds that are audited, so that nobody has to ask a long log which ones are in it."""

    title = _("kind")
    parameter_name = "content_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        kinds = ContentType.objects.get_for_models(*watched.get_models()).values()
        return sorted(((str(kind.pk), _kind_of(kind)) for kind in kinds), key=lambda kind: kind[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        value = self.value() or ""
        return queryset.filter(content_type=int(value)) if value.isascii() and value.isdigit() else queryset


class ObjectFilter(admin.SimpleListFilter):
    """By a link from the page of an object, whose history it is."""

    title = _("object")
    parameter_name = "object_pk"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        asked = request.GET.get("object_pk")
        return [(asked, gettext("This one: %(id)s") % {"id": asked})] if asked else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        return queryset.filter(object_pk=self.value()) if self.value() else queryset


class ActFilter(ObjectFilter):
    title = _("act")
    parameter_name = "act"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        asked = request.GET.get("act")
        return [(asked, gettext("In the same act"))] if asked else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        return queryset.filter(cid=self.value()) if self.value() else queryset


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    """Never counts the entries."""

    list_display = ["when", "who", "shown_action", "kind", "object_repr", "what"]
    list_display_links = ["when"]
    list_filter = [PeriodFilter, ActionFilter, KindFilter, ("actor", AutocompleteFilter), ObjectFilter, ActFilter]
    list_filter_submit = True
    search_fields = ["searched"]
    search_help_text = _("How the name of the object begins, or its id, or an address that somebody acted from")
    ordering = ["-pk"]
    sortable_by: Sequence[str] = []
    list_per_page = 50
    paginator = InfinitePaginator
    show_full_result_count = False
    actions = None
    fields = [
        "when",
        "who",
        "via",
        "remote_addr",
        "action_in_words",
        "kind",
        "shown_object",
        "text",
        "changes_table",
        "act",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entry]:
        entries: QuerySet[Entry] = super().get_queryset(request)
        return entries.select_related("content_type")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Entry], search_term: str
    ) -> tuple[QuerySet[Entry], bool]:
        """By what indexes answer: the log can be long."""
        text = search_term.strip()[:MAX_NAME_CHARACTERS].replace("\x00", "")
        if not text:
            return queryset, False
        found = Q(searched__startswith=text.lower()) | Q(object_pk=text)
        if _is_address(text):
            found |= Q(remote_addr=text)
        return queryset.filter(found), False

    @admin.display(description=_("when"))
    def when(self, entry: Entry) -> SafeString:
        at = date_format(timezone.localtime(entry.timestamp), "DATETIME_FORMAT")
        return format_html('<span class="nowrap">{}</span>', at)

    @admin.display(description=_("who"))
    def who(self, entry: Entry) -> str:
        return entry.actor_email or gettext("Command %(name)s") % {"name": entry.via}

    @label_column(_("action"), colours=COLOURS)
    def shown_action(self, entry: Entry) -> tuple[int, str]:
        return entry.action, str(ACTIONS[entry.action])

    @admin.display(description=_("action"))
    def action_in_words(self, entry: Entry) -> str:
        return str(ACTIONS[entry.action])

    @admin.display(description=_("kind"))
    def kind(self, entry: Entry) -> str:
        return _kind_of(entry.content_type)

    @admin.display(description=_("what"))
    def what(self, entry: Entry) -> str:
        """Names of fields; a new row has them all, so that they tell nothing."""
        if entry.text or entry.action != Action.UPDATE:
            return entry.text
        names = [_label(entry, name) for name in entry.changes]
        more = len(names) - SHOWN_FIELDS
        shown = ", ".join(names[:SHOWN_FIELDS])
        if more <= 0:
            return shown
        return ngettext("%(names)s and %(count)d more", "%(names)s and %(count)d more", more) % {
            "names": shown,
            "count": more,
        }

    @admin.display(description=_("object"))
    def shown_object(self, entry: Entry) -> SafeString | str:
        """A link to its page, where it has one still."""
        kind = entry.content_type
        try:
            url = reverse(f"admin:{kind.app_label}_{kind.model}_change", args=[entry.object_pk])
        except NoReverseMatch:
            return f"{entry.object_repr} ({entry.object_pk})"
        return format_html('<a href="{}">{}</a> ({})', url, entry.object_repr, entry.object_pk)

    @admin.display(description=_("changes"))
    def changes_table(self, entry: Entry) -> SafeString | str:
        rows = list(_rows(entry))
        return render_to_string("admin/audit/entry/_changes.html", {"rows": rows}) if rows else "–"

    @admin.display(description=_("act"))
    def act(self, entry: Entry) -> SafeString:
        url = f"{reverse('admin:audit_entry_changelist')}?act={entry.cid}"
        return format_html('<a href="{}">{}</a>', url, gettext("All that was changed at once"))


def _is_address(text: str) -> bool:
    try:
        models.GenericIPAddressField().run_validators(text)
    except ValidationError:
        return False
    return True


def _field(entry: Entry, name: str) -> Any:
    try:
        model = apps.get_model(entry.content_type.app_label, entry.content_type.model)
        return model._meta.get_field(name)
    except (LookupError, FieldDoesNotExist):
        return None


def _label(entry: Entry, name: str) -> str:
    return str(getattr(_field(entry, name), "verbose_name", name))


def _rows(entry: Entry) -> Iterator[tuple[str, str, str]]:
    """Name of the field, before, after."""
    for name, change in sorted(entry.changes.items()):
        if isinstance(change, dict):
            names = ", ".join(change["objects"])
            before, after = ("", names) if change["operation"] == "add" else (names, "")
        else:
            before, after = (_in_words(_field(entry, name), value) for value in change)
        if before or after:
            yield capfirst(_label(entry, name)), before, after


def _in_words(field: Any, value: str) -> str:
    if value == "None" or field is None:
        return "" if value == "None" else value
    if field.choices:
        return str(dict(field.flatchoices).get(value, value))
    if isinstance(field, models.BooleanField):
        return gettext("Yes") if value == "True" else gettext("No")
    if isinstance(field, models.DateTimeField):
        return f"{value.partition('.')[0]} UTC"
    return _name_of(field.related_model, value) if field.is_relation else value


def _name_of(model: type[models.Model], pk: str) -> str:
    """As the row is called now, if it is there."""
    try:
        return f"{model._default_manager.get(pk=pk)} ({pk})"
    except (ObjectDoesNotExist, ValueError, ValidationError):
        return f"({pk})"
