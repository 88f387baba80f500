"""The page of an operation: verb, URL template, parameters, request and responses."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import StackedInline, TabularInline
from unfold.forms import PaginationInlineFormSet
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from apis import url_templates
from apis.models import API, USUAL_METHODS, Operation, Parameter, Representation, Response
from apis.names import free_name
from apis.template_parameters import check_agreement, undeclared
from portal.administration.deprecation import FIELDSET, Deprecating, DeprecationFilter, DeprecationForm
from portal.administration.labels import label_column
from portal.administration.model_admin import AutocompleteFilter, ModelAdmin, TableRowForm
from portal.base_urls import base_urls
from service.models import current

TAKE_PARAMETERS = "_take_parameters"
TEMPLATE_PREFIX = "template_parameters"
MAX_ROWS = 200
METHOD_COLOURS = {"GET": "info", "POST": "success", "DELETE": "danger"}
PARAMETER_TYPES = ("string", "number", "integer", "boolean", "array", "object")
CONTENT_TYPES = (
    "application/json",
    "application/xml",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "text/csv",
    "text/plain",
)

Location = Parameter.Location


class OfferingInput(UnfoldAdminTextInputWidget):
    """A text field that offers usual values and takes any."""

    template_name = "admin/widgets/offering_input.html"

    def __init__(self, offers: tuple[str, ...], attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        self.offers = offers

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        list_id = f"{(attrs or {}).get('id', name)}-offers"
        context: dict[str, Any] = super().get_context(name, value, {**(attrs or {}), "list": list_id})
        return {**context, "list_id": list_id, "offers": self.offers}


class LinesField(forms.CharField):
    """A list of texts, one a line."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        return [line.strip() for line in text.splitlines() if line.strip()]

    def validate(self, value: Any) -> None:
        """The model's validators bound the list."""

    def run_validators(self, value: Any) -> None:
        """The model's validators bound the list."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(list(initial or []) != self.to_python(data))


class ParameterForm(TableRowForm):
    values = LinesField(
        label=_("values"),
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 1, "placeholder": _("one a line")}),
        help_text=_("The values that are allowed, one a line; empty: any."),
    )

    class Meta:
        widgets = {
            "type": OfferingInput(PARAMETER_TYPES),
            "description": UnfoldAdminTextareaWidget({"rows": 1}),
            "name": UnfoldAdminTextInputWidget({"spellcheck": "false", "autocapitalize": "none"}),
        }


class TemplateParameterForm(ParameterForm):
    """A parameter of the template takes part in matching, so it is always required."""

    required = forms.BooleanField(label=_("required"), disabled=True, required=False, initial=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["required"] = True


class DistinctRowsFormSet(PaginationInlineFormSet):
    """Rows of which no two have the same value, compared without case, in one field."""

    distinct_field: str

    @property
    def kept_forms(self) -> list[Any]:
        """The rows that have this value and are not to be deleted."""
        return [
            form
            for form in self.forms
            if getattr(form, "cleaned_data", {}).get(self.distinct_field) and form not in self.deleted_forms
        ]

    def clean(self) -> None:
        super().clean()
        seen: set[str] = set()
        for form in self.kept_forms:
            value = str(form.cleaned_data[self.distinct_field]).lower()
            if value in seen:
                form.add_error(self.distinct_field, gettext("This one is there twice."))
            seen.add(value)


class ParameterFormSet(DistinctRowsFormSet):
    """The parameters of one location."""

    distinct_field = "name"
    location: str = Location.QUERY

    @classmethod
    def get_default_prefix(cls) -> str:
        return {
            Location.TEMPLATE: TEMPLATE_PREFIX,
            Location.QUERY: "query_parameters",
            Location.HEADER: "headers",
        }[Location(cls.location)]

    def _construct_form(self, i: int, **kwargs: Any) -> Any:
        form = super()._construct_form(i, **kwargs)
        form.instance.location = self.location
        return form


class TemplateParameterFormSet(ParameterFormSet):
    location = Location.TEMPLATE

    def clean(self) -> None:
        PaginationInlineFormSet.clean(self)  # The rule below knows of doubles, too.
        rows = self.kept_forms
        try:
            check_agreement(self.instance.url_template, [form.cleaned_data["name"] for form in rows])
        except url_templates.TemplateError:
            return  # The field of the template says what is wrong with it.
        except ValidationError as error:
            rest = []
            for one in error.error_list:
                if one.code == "undeclared":
                    rest.append(one)
                else:
                    rows[(one.params or {})["index"]].add_error("name", one)
            if rest:
                raise ValidationError(rest) from error


class ParameterInline(TabularInline):
    model = Parameter
    form = ParameterForm
    formset = ParameterFormSet
    extra = 0
    max_num = MAX_ROWS
    hide_title = True
    fields = ["name", "type", "required", "default_value", "example", "values", "description"]
    location: str

    def get_queryset(self, request: HttpRequest) -> QuerySet[Parameter]:
        parameters: QuerySet[Parameter] = super().get_queryset(request)
        return parameters.filter(location=self.location)

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)
        formset.location = self.location
        return formset


class TemplateParameterInline(ParameterInline):
    verbose_name = _("template parameter")
    verbose_name_plural = _("template parameters")
    form = TemplateParameterForm
    formset = TemplateParameterFormSet
    location = Location.TEMPLATE
    template_before = "admin/apis/operation/_take_parameters.html"


class QueryParameterInline(ParameterInline):
    verbose_name = _("query parameter")
    verbose_name_plural = _("query parameters, beside those of the template")
    location = Location.QUERY


class HeaderInline(ParameterInline):
    verbose_name = _("header")
    verbose_name_plural = _("request headers")
    location = Location.HEADER


class AddedRowForm(forms.ModelForm):  # type: ignore[type-arg]
    """A row that somebody added is kept, also where he left the values that were offered."""

    def has_changed(self) -> bool:
        return bool(self.is_bound and self.instance._state.adding) or super().has_changed()


class RepresentationFormSet(DistinctRowsFormSet):
    distinct_field = "content_type"


class RepresentationForm(AddedRowForm):
    class Meta:
        widgets = {
            "content_type": OfferingInput(CONTENT_TYPES),
            "example": UnfoldAdminTextareaWidget({"rows": 6, "spellcheck": "false", "class": "code-field"}),
        }
        help_texts = {
            "content_type": _("Such as application/json."),
            "example": _("A whole body. Try it begins with the first one."),
        }


class RepresentationInline(StackedInline):
    model = Representation
    form = RepresentationForm
    formset = RepresentationFormSet
    verbose_name = _("representation")
    verbose_name_plural = _("request representations")
    extra = 0
    max_num = 20
    hide_title = True
    fields = ["content_type", "example"]


class ResponseHeaderInline(ParameterInline):
    verbose_name = _("header")
    verbose_name_plural = _("headers")
    location = Location.HEADER
    fields = ["name", "type", "required", "example", "description"]


class ResponseRepresentationInline(RepresentationInline):
    verbose_name_plural = _("representations")


class ResponseForm(AddedRowForm):
    class Meta:
        widgets = {"description": UnfoldAdminTextareaWidget({"rows": 2})}
        help_texts = {
            "status_code": _("Such as 200 or 404."),
            "description": _("When the API answers so."),
        }


class ResponseInline(StackedInline):
    model = Response
    form = ResponseForm
    extra = 0
    max_num = 60
    fields = ["status_code", "description"]
    inlines = [ResponseHeaderInline, ResponseRepresentationInline]


class OperationForm(DeprecationForm):
    class Meta:
        widgets = {
            "method": OfferingInput(USUAL_METHODS, {"autocapitalize": "characters", "spellcheck": "false"}),
            "url_template": UnfoldAdminTextInputWidget(
                {
                    "autocapitalize": "none",
                    "spellcheck": "false",
                    "placeholder": "/jobs/{jobid}?api-version={apiversion}",
                }
            ),
            "description": UnfoldAdminTextareaWidget({"rows": 4}),
            "request_description": UnfoldAdminTextareaWidget({"rows": 2}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "name" in self.fields:
            self.fields["name"].required = False
            self.fields["name"].help_text = gettext(
                "Identifies the operation in the portal's URLs. Empty: made from its name."
            )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        api = data.get("api")
        if api is not None:
            # Of two editors who add the same template at once, the second one waits and is told.
            API.objects.select_for_update().filter(pk=api.pk).first()
            if not data.get("name"):
                taken = Operation.objects.filter(api=api).exclude(pk=self.instance.pk).values_list("name", flat=True)
                data["name"] = free_name(data.get("display_name", ""), taken=taken, fallback="operation")
        if TAKE_PARAMETERS in self.data:
            raise ValidationError(
                gettext("The parameters were taken from the template. Look at them below, then save.")
            )
        return data


@admin.register(Operation)
class OperationAdmin(Deprecating, ModelAdmin):
    help_texts = {
        "display_name": _("As developers read it in the list of operations."),
        "request_description": _("What the body of a request holds, above the examples. Markdown."),
    }
    form = OperationForm
    list_display = ["display_name", "shown_method", "url_template", "api", "shown_deprecation"]
    list_filter = [("api", AutocompleteFilter), "method", DeprecationFilter]
    list_filter_submit = True
    list_select_related = ["api"]
    search_fields = ["display_name", "name", "url_template"]
    list_per_page = 50
    autocomplete_fields = ["api", "successor"]
    prepopulated_fields = {"name": ["display_name"]}
    readonly_fields = ["request_url"]
    fieldsets = [
        (None, {"fields": ["api", "display_name", "name", "method", "url_template", "request_url", "description"]}),
        (_("Request"), {"fields": ["request_description"]}),
        FIELDSET,
    ]
    inlines = [TemplateParameterInline, QueryParameterInline, HeaderInline, RepresentationInline, ResponseInline]

    class Media:
        js = [forms.Script("admin/operation-form.js", type="module")]

    @label_column(_("verb"), ordering="method", colours=METHOD_COLOURS)
    def shown_method(self, operation: Operation) -> str:
        return operation.method

    @admin.display(description=_("request URL"))
    def request_url(self, operation: Operation) -> SafeString:
        urls = base_urls(operation.api, current()) if operation.api_id else []
        return render_to_string("admin/apis/operation/_request_url.html", {"operation": operation, "urls": urls})

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST" and TAKE_PARAMETERS in request.POST:
            request.POST = with_parameters_taken(request.POST)  # type: ignore[assignment]
        response: HttpResponse = super().changeform_view(request, *args, **kwargs)
        return response

    def response_post_save_add(self, request: HttpRequest, obj: Operation) -> HttpResponse:
        return redirect("admin:apis_api_change", obj.api_id)

    def response_post_save_change(self, request: HttpRequest, obj: Operation) -> HttpResponse:
        return redirect("admin:apis_api_change", obj.api_id)

    def response_add(self, request: HttpRequest, obj: Operation, post_url_continue: str | None = None) -> HttpResponse:
        response: HttpResponse = super().response_add(request, obj, post_url_continue)
        if "_addanother" in request.POST:
            return redirect(f"{request.path}?api={obj.api_id}")
        return response


def with_parameters_taken(data: QueryDict) -> QueryDict:
    """The posted form with a row for each parameter of the template that has none; for browsers without scripts."""
    try:
        template = url_templates.parse(data.get("url_template", ""))
        rows = int(data.get(f"{TEMPLATE_PREFIX}-TOTAL_FORMS", ""))
    except ValueError:
        return data
    rows = min(max(rows, 0), MAX_ROWS)
    declared = [
        data.get(f"{TEMPLATE_PREFIX}-{row}-name", "")
        for row in range(rows)
        if f"{TEMPLATE_PREFIX}-{row}-DELETE" not in data
    ]
    filled = data.copy()
    for name in undeclared(template, declared)[: MAX_ROWS - rows]:
        filled[f"{TEMPLATE_PREFIX}-{rows}-name"] = name
        filled[f"{TEMPLATE_PREFIX}-{rows}-type"] = "string"
        rows += 1
    filled[f"{TEMPLATE_PREFIX}-TOTAL_FORMS"] = str(rows)
    return filled
