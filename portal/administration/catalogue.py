"""The page of an API: where it is, in which products, and what operations it has."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from apis.models import API
from apis.names import free_name
from apis.origins import parse_origins
from portal.administration.deletion import subscriptions_in_the_way
from portal.administration.deprecation import FIELDSET, Deprecating, DeprecationFilter, DeprecationForm
from portal.administration.labels import label_column
from portal.administration.model_admin import AutocompleteFilter, ModelAdmin, RowsField, choose_many
from portal.base_urls import base_urls
from portal.gateway_addresses import refuse_own_address
from portal.http import service_of
from service.models import current
from subscriptions.models import Product, Subscription
from subscriptions.offering import refuse_several_open_products

SHOWN_OPERATIONS = 200


class APIForm(DeprecationForm):
    products = RowsField(
        Product.objects.all(),
        required=False,
        label=_("Products"),
        widget=choose_many(Subscription, "product"),
        help_text=_("Developers who subscribe to one of them can call the API."),
    )

    class Meta:
        widgets = {
            "description": UnfoldAdminTextareaWidget({"rows": 5}),
            "allowed_origins": UnfoldAdminTextareaWidget({"rows": 2, "spellcheck": "false"}),
        }
        help_texts = {
            "name": _("Identifies the API in the portal's URLs. Empty: made from the display name."),
            "request_body_limit_bytes": _("Past that 413. Empty: the gateway's setting."),
            "backend_timeout_seconds": _(
                "Longest wait for the head of the backend's answer, then 504; and longest "
                "pause in its body. Empty: the gateway's setting."
            ),
            "allow_encoded_slashes": _(
                "For ids such as a%2Fb, and C%23 before the end of a path. Only if the service tells them from plain "
                "delimiters: one that decodes paths first could be led to what no operation is for. Off: such calls "
                "get 400, unless a wildcard covers the slash."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "name" in self.fields:
            self.fields["name"].required = False
        if self.instance.pk and "products" in self.fields:
            self.fields["products"].initial = self.instance.products.all()

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        display_name = self.cleaned_data.get("display_name", "")
        return name or free_name(display_name, taken=API.objects.values_list("name", flat=True), fallback="api")

    def clean_service_url(self) -> str:
        url: str = self.cleaned_data["service_url"]
        if url:
            refuse_own_address(url)
        return url

    def clean_allowed_origins(self) -> str:
        return "\n".join(parse_origins(self.cleaned_data["allowed_origins"]))

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("service_url") == "" and "backend" in data and data["backend"] is None:
            self.add_error("service_url", gettext("Give the URL where the service answers, or choose a backend."))
        return data

    def clean_products(self) -> QuerySet[Product]:
        products: QuerySet[Product] = self.cleaned_data["products"]
        refuse_several_open_products(products, of=self.instance)
        return products


def scheme_warning(gateway_url: str) -> str:
    """What to tell of an API that does not take the scheme of the gateway's address."""
    if gateway_url.startswith("http://"):
        return gettext(
            "Callers must use https://, but the gateway answers at %(gateway_url)s: calls there get 404. Let a TLS "
            "proxy stand before the gateway and set GATEWAY_URL to its https:// address, or choose HTTP."
        ) % {"gateway_url": gateway_url}
    return gettext(
        "Callers must use http://, but the gateway's address is %(gateway_url)s: calls there get 404. Choose HTTPS, "
        "unless it takes http:// too."
    ) % {"gateway_url": gateway_url}


def address_view(request: HttpRequest, *, pk: int, model_admin: ModelAdmin) -> HttpResponse:
    """The base URLs of an API, for the preview on an operation's page."""
    api = API.objects.filter(pk=pk).first()
    if api is None or not model_admin.has_view_permission(request, api):
        raise Http404
    return JsonResponse({"urls": base_urls(api, current())})


@admin.register(API)
class APIAdmin(Deprecating, ModelAdmin):
    form = APIForm
    list_display = ["display_name", "address", "target", "shown_scheme", "shown_deprecation", "operation_count"]
    list_filter = ["scheme", DeprecationFilter, "products", ("backend", AutocompleteFilter)]
    list_filter_submit = True
    list_select_related = ["backend"]
    search_fields = ["display_name", "name", "path", "service_url"]
    list_per_page = 50
    prepopulated_fields = {"name": ["display_name"]}
    autocomplete_fields = ["backend", "successor"]
    readonly_fields = ["public_url"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "display_name",
                    "name",
                    "service_url",
                    "backend",
                    "path",
                    "scheme",
                    "public_url",
                    "products",
                ]
            },
        ),
        (_("Documentation"), {"fields": ["description", "issues_offered"]}),
        (
            _("Gateway"),
            {
                "fields": [
                    "allow_portal_origin",
                    "allowed_origins",
                    "request_body_limit_bytes",
                    "backend_timeout_seconds",
                    "allow_encoded_slashes",
                ]
            },
        ),
        (
            _("Subscription key"),
            {"fields": ["subscription_required", "subscribing", "key_header_name", "key_query_name"]},
        ),
        FIELDSET,
    ]
    change_form_outer_after_template = "admin/apis/api/_operations.html"
    custom_urls = [("<int:pk>/address/", "apis_api_address", address_view)]

    class Media:
        js = [forms.Script("admin/api-url.js", type="module")]

    def get_queryset(self, request: HttpRequest) -> QuerySet[API]:
        apis: QuerySet[API] = super().get_queryset(request)
        return apis.annotate(operations_count=Count("operations"))

    @admin.display(description=_("suffix"), ordering="path")
    def address(self, api: API) -> str:
        return f"/{api.path}"

    @admin.display(description=_("backend"), ordering="service_url")
    def target(self, api: API) -> str:
        return api.backend.title if api.backend else api.service_url

    @label_column(_("scheme"), ordering="scheme")
    def shown_scheme(self, api: API) -> str:
        return api.get_scheme_display()

    @admin.display(description=_("operations"), ordering="operations_count")
    def operation_count(self, api: Any) -> int:
        return int(api.operations_count)

    @admin.display(description=_("URL of the API"))
    def public_url(self, api: API) -> SafeString:
        service = current()
        gateway_url = service.gateway_url if service else ""
        return render_to_string(
            "admin/apis/api/_public_url.html",
            {
                "urls": base_urls(api, service) if api.pk else [],
                "bases": {scheme: base_urls(API(scheme=scheme, path=""), service) for scheme in API.Scheme.values},
                "gateway_scheme": gateway_url.partition("://")[0],
                "warning": scheme_warning(gateway_url),
                "is_reachable": api.pk is None or api.is_reachable_at(gateway_url),
            },
        )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """HTTPS as in Azure, unless this gateway's own address is http."""
        service = service_of(request)
        is_plain = service is not None and service.gateway_url.startswith("http://")
        scheme = API.Scheme.HTTP if is_plain else API.Scheme.HTTPS
        return {"scheme": scheme, **super().get_changeform_initial_data(request)}

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        api = self.get_object(request, object_id)
        operations = list(api.operations.all()[: SHOWN_OPERATIONS + 1]) if api else []
        shown = {"operations": operations[:SHOWN_OPERATIONS], "has_more_operations": len(operations) > SHOWN_OPERATIONS}
        response: HttpResponse = super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})
        return response

    def save_model(self, request: HttpRequest, obj: API, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        service = service_of(request)
        if service is not None and not obj.is_reachable_at(service.gateway_url):
            messages.warning(request, scheme_warning(service.gateway_url))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if "products" in form.cleaned_data:
            form.instance.products.set(form.cleaned_data["products"])

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        in_the_way = subscriptions_in_the_way(objs, "api")
        if in_the_way:
            return [], {}, set(), in_the_way
        result: tuple[Any, Any, Any, Any] = super().get_deleted_objects(objs, request)
        return result
