"""The part of an API's and an operation's page that marks them as deprecated."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import SimpleLazyObject
from django.utils.html import escape
from django.utils.text import format_lazy
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldBooleanSwitchWidget

from apis.deprecation import FIELDS
from apis.models import API, Operation
from notifications import deprecations
from portal.administration.labels import label_column
from portal.administration.steps import administrator
from portal.units import COUNT

FIELDSET = (
    _("Deprecation"),
    {"fields": [*FIELDS, "mails_subscribers"]},
)
COLOURS = {"soon": "info", "deprecated": "warning", "over": "danger"}
# What subscribers and webhooks are told of.
_TOLD = frozenset(("deprecated_at", "sunset_at"))


class DeprecationForm(forms.ModelForm):  # type: ignore[type-arg]
    mails_subscribers = forms.BooleanField(
        label=_("Mail the subscribers"),
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_("Where one of the dates changes: everybody who subscribes and has not turned off news about APIs."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and (mails := self.fields.get("mails_subscribers")) is not None:
            # Counted once, where it is shown, and so not when the form is saved.
            how_many = SimpleLazyObject(partial(_how_many, self.instance))
            mails.help_text = format_lazy("{} {}", mails.help_text, how_many)


class DeprecationFilter(admin.SimpleListFilter):
    title = _("deprecation")
    parameter_name = "deprecation"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        return [("deprecated", _("Deprecated")), ("over", _("Past its end")), ("none", _("Not deprecated"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """By what the rows themselves say: operations of a deprecated API are found by that."""
        match self.value():
            case "deprecated":
                return queryset.filter(deprecated_at__isnull=False)
            case "over":
                return queryset.filter(sunset_at__lte=timezone.now())
            case "none":
                return queryset.filter(deprecated_at=None)
        return queryset


def state_of(row: API | Operation) -> tuple[str, str] | None:
    """What its colour depends on, and the word."""
    found, now = row.deprecation, timezone.now()
    if found is None:
        return None
    if found.sunset is not None and found.is_over(now):
        return "over", gettext("Ended %(day)s") % {"day": _day(found.sunset)}
    if not found.has_begun(now):
        return "soon", gettext("From %(day)s") % {"day": _day(found.since)}
    if found.sunset is not None:
        return "deprecated", gettext("Until %(day)s") % {"day": _day(found.sunset)}
    return "deprecated", gettext("Deprecated")


def _day(moment: Any) -> str:
    return date_format(timezone.localtime(moment), "SHORT_DATE_FORMAT")


class Deprecating:
    """Of an admin of rows that can be deprecated; its form is a DeprecationForm."""

    @label_column(_("deprecation"), ordering="deprecated_at", colours=COLOURS)
    def shown_deprecation(self, row: API | Operation) -> tuple[str, str] | None:
        return state_of(row)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)  # type: ignore[misc]
        if _TOLD.intersection(form.changed_data):
            _tell(request, obj, mails=form.cleaned_data["mails_subscribers"])
        if obj.successor is not None and obj.successor.deprecation is not None:
            messages.warning(
                request, gettext("The successor, %(api)s, is deprecated itself.") % {"api": obj.successor.display_name}
            )


def _receivers(row: API | Operation) -> int:
    return deprecations.receivers(_api_of(row)).count()


def _api_of(row: API | Operation) -> API:
    return row.api if isinstance(row, Operation) else row


def _how_many(row: API | Operation) -> str:
    """For a help text, which is HTML."""
    count = _receivers(row)
    return ngettext("Of %(api)s that is %(count)s person now.", "Of %(api)s that is %(count)s people now.", count) % {
        "api": escape(_api_of(row).display_name),
        "count": COUNT.exact(count),
    }


def _tell(request: HttpRequest, row: API | Operation, *, mails: bool) -> None:
    if deprecations.tell(row, by=administrator(request), mails=mails) is None or not mails:
        return
    count = _receivers(row)
    messages.info(
        request,
        ngettext("A mail goes to %(count)s subscriber.", "A mail goes to %(count)s subscribers.", count)
        % {"count": count},
    )
