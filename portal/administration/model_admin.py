"""What all pages of the administration share: the id of a row in a request can be any text, and is never an error 500.

Django's own admin asks the database for it as it is, which raises where it is no number or too large for a column.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteMixin, AutocompleteSelect, AutocompleteSelectMultiple
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from unfold import admin as unfold
from unfold.contrib.filters import admin as unfold_filters
from unfold.contrib.filters.forms import AutocompleteDropdownForm
from unfold.mixins import BaseModelAdminMixin

from audit.models import Entry


def may_be_id(model: type[Model], text: Any) -> bool:
    """Whether a row of the model could have this primary key."""
    key = model._meta.pk
    try:
        key.run_validators(key.to_python(text))
    except ValidationError:
        return False
    return True


class _PossibleIds(AutocompleteMixin):
    """Shows nothing as chosen for what cannot be an id; its field refuses it."""

    @property
    def media(self) -> forms.Media:
        return super().media + forms.Media(js=["admin/choice-labels.js"])

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        model = self.field.remote_field.model
        return super().optgroups(name, [one for one in value if may_be_id(model, one)], attr)


class Autocomplete(_PossibleIds, AutocompleteSelect):
    pass


class AutocompleteMultiple(_PossibleIds, AutocompleteSelectMultiple):
    pass


def choose_one(model: type[Model], field: str) -> Autocomplete:
    """For a form that is no model's: rows are chosen as for this field of a model, a foreign key or many of them."""
    return Autocomplete(model._meta.get_field(field), admin.site)


def choose_many(model: type[Model], field: str) -> AutocompleteMultiple:
    return AutocompleteMultiple(model._meta.get_field(field), admin.site)


class RowsField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Refuses what cannot be an id like an id that is not among the choices."""

    def clean(self, value: Any) -> Any:
        assert self.queryset is not None
        for one in value or ():
            if not may_be_id(self.queryset.model, one):
                raise ValidationError(
                    self.error_messages["invalid_choice"], code="invalid_choice", params={"value": one}
                )
        return super().clean(value)


class TableRowForm(forms.ModelForm):  # type: ignore[type-arg]
    """A row of a table, where the labels are the column heads, which a screen reader does not tie to the fields."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if field.label:
                field.widget.attrs.setdefault("aria-label", field.label)


class _FilterForm(AutocompleteDropdownForm):
    widget = Autocomplete


class AutocompleteFilter(unfold_filters.AutocompleteSelectFilter):
    form_class = _FilterForm


class _Fields(BaseModelAdminMixin):
    """`help_texts` are what the administration says of fields whose model says nothing."""

    help_texts: Mapping[str, str | Promise] = {}

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> forms.Field | None:
        if db_field.name in self.help_texts:
            kwargs.setdefault("help_text", self.help_texts[db_field.name])
        field: forms.Field | None = super().formfield_for_dbfield(db_field, request, **kwargs)
        return field

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if self._is_autocompleted(db_field, request):
            kwargs.setdefault("widget", Autocomplete(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> forms.Field | None:
        if self._is_autocompleted(db_field, request):
            kwargs.setdefault("widget", AutocompleteMultiple(db_field, self.admin_site))
        field: forms.Field | None = super().formfield_for_manytomany(db_field, request, form_class=RowsField, **kwargs)
        return field

    def _is_autocompleted(self, db_field: Any, request: HttpRequest) -> bool:
        return db_field.name in self.get_autocomplete_fields(request)


class TabularInline(_Fields, unfold.TabularInline):
    pass


class ModelAdmin(_Fields, unfold.ModelAdmin):
    """Its history is the audit log, which notices changes of rows by itself and is told of the rest in words."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self.log_change(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        if isinstance(message, str):
            Entry.objects.note(obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Noticed row by row."""

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        kind = ContentType.objects.get_for_model(self.model).pk
        return redirect(f"{reverse('admin:audit_entry_changelist')}?content_type={kind}&object_pk={quote(object_id)}")

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        if not all(may_be_id(self.model, one) for one in request.POST.getlist("_selected_action")):
            messages.error(request, _("What was chosen is not in this list."))
            return None
        response: HttpResponse | None = super().response_action(request, queryset)
        return response
