"""The page of a product: what it offers to whom, under which policy."""

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet
from django.forms import BaseInlineFormSet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import StackedInline
from unfold.decorators import action
from unfold.widgets import UnfoldAdminTextareaWidget

from apis.names import free_name
from policies.compiler import PolicyError, compile_product_policy
from policies.models import ProductPolicy
from policies.product_names import ProductNames
from portal.administration.billing import billing_view
from portal.administration.labels import label_column
from portal.administration.model_admin import ModelAdmin, TableRowForm
from portal.administration.product_deletion import delete_view
from portal.administration.product_price import FIELDS, PriceFields, initial_of, price_of
from portal.limits import limits_of
from subscriptions import offering
from subscriptions.models import Price, Product, Subscription

State = Product.State
EMPTY_POLICY = """\
<policies>
  <inbound>
    <base />
  </inbound>
  <backend>
    <base />
  </backend>
  <outbound>
    <base />
  </outbound>
  <on-error>
    <base />
  </on-error>
</policies>
"""


class ProductPolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        widgets = {"document": UnfoldAdminTextareaWidget({"rows": 18, "spellcheck": "false", "class": "code-field"})}


class ProductPolicyFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    def clean(self) -> None:
        """The document compiles, for the product as it is to be."""
        super().clean()
        names = ProductNames(self.instance.pk, getattr(self.instance, "chosen_apis", None))
        for form in self.forms:
            document = getattr(form, "cleaned_data", {}).get("document")
            if document is not None and not form.cleaned_data.get("DELETE"):
                try:
                    compile_product_policy(document, names)
                except PolicyError as error:
                    form.add_error("document", error.worded(gettext))


class ProductPolicyInline(StackedInline):
    model = ProductPolicy
    form = ProductPolicyForm
    formset = ProductPolicyFormSet
    verbose_name = _("policy")
    verbose_name_plural = _("policy")
    extra = 0
    hide_title = True
    fields = ["document", "limits"]
    readonly_fields = ["limits"]

    @admin.display(description=_("in words"))
    def limits(self, policy: ProductPolicy) -> str:
        if policy.pk is None:
            return gettext("Shown once it is saved.")
        return "; ".join(limits_of(policy.product)) or gettext("No limits.")

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)
        formset.form.base_fields["document"].initial = EMPTY_POLICY
        return formset


class ProductForm(PriceFields, forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        widgets = {
            "description": UnfoldAdminTextareaWidget({"rows": 4}),
            "terms": UnfoldAdminTextareaWidget({"rows": 4}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        price = self.instance.price if self.instance.pk else None
        if price is not None and "price_kind" in self.fields:
            self.initial = {**initial_of(price), **self.initial}
            # Once stated, a price can only be another one.
            kind = cast(forms.ChoiceField, self.fields["price_kind"])
            kind.choices = Price.Kind.choices
        if "name" in self.fields:
            self.fields["name"].required = False
            self.fields["name"].help_text = gettext(
                "Identifies the product in URLs. Empty: made from the display name."
            )

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        others = Product.objects.exclude(pk=self.instance.pk)
        # A form leaves the constraint out, whose condition is on a field that it does not have.
        if others.filter(name__iexact=name).exists():
            raise ValidationError(_("Another product has this name."))
        display_name = self.cleaned_data.get("display_name", "")
        return name or free_name(display_name, taken=others.values_list("name", flat=True), fallback="product")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        # The policy, on the same page, is checked against these.
        self.instance.chosen_apis = data.get("apis")
        if data.get("subscription_required") is False and data.get("apis"):
            try:
                offering.refuse_second_open_product(data["apis"], besides=self.instance)
            except ValidationError as error:
                self.add_error("apis", error)
        if not any(name.startswith("price_") for name in self.errors):
            try:
                self.price = price_of(data)
            except ValidationError as error:
                self.add_error(None, error)
        return data


@admin.register(Product)
class ProductAdmin(ModelAdmin):
    help_texts = {
        "display_name": _("As developers read it."),
        "state": _("One that is not published is seen by administrators only; keys that exist go on."),
        "apis": _("What its subscriptions may call."),
        "approval_required": _("A request waits until an administrator approves it. Off: its keys work at once."),
    }
    form = ProductForm
    list_display = ["display_name", "shown_state", "access", "api_count", "active_count", "waiting_count", "position"]
    list_filter = ["state", "approval_required", "subscription_required"]
    search_fields = ["display_name", "name"]
    list_per_page = 50
    list_editable = ["position"]
    list_display_links = ["display_name"]
    autocomplete_fields = ["apis", "groups"]
    readonly_fields = ["acceptances"]
    actions_list = ["billing"]
    custom_urls = [("billing/", "subscriptions_product_billing", billing_view)]
    prepopulated_fields = {"name": ["display_name"]}
    change_form_outer_before_template = "admin/subscriptions/product/_links.html"
    inlines = [ProductPolicyInline]
    fieldsets = [
        (None, {"fields": ["display_name", "name", "description", "state", "apis", "groups", "position"]}),
        (
            _("Subscriptions"),
            {
                "fields": [
                    "subscription_required",
                    "approval_required",
                    "subscriptions_limit",
                    "terms",
                    "acceptances",
                ]
            },
        ),
        (_("Price"), {"fields": [f"price_{name}" for name in FIELDS]}),
    ]

    @action(description=_("Usage for invoices"), url_path="usage", icon="receipt", permissions=["view"])  # type: ignore[untyped-decorator]
    def billing(self, request: HttpRequest) -> HttpResponse:
        return redirect("admin:subscriptions_product_billing")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Product]:
        products: QuerySet[Product] = super().get_queryset(request)
        return products.annotate(
            apis_count=Count("apis", distinct=True),
            active_subscriptions=_count_of(Subscription.State.ACTIVE),
            waiting_subscriptions=_count_of(Subscription.State.SUBMITTED),
        )

    @label_column(_("state"), ordering="state", colours={State.PUBLISHED: "success", State.NOT_PUBLISHED: "warning"})
    def shown_state(self, product: Product) -> tuple[str, str]:
        return product.state, product.get_state_display()

    @admin.display(description=_("access"))
    def access(self, product: Product) -> str:
        if not product.subscription_required:
            return gettext("Open")
        return gettext("After approval") if product.approval_required else gettext("At once")

    @admin.display(description=_("APIs"), ordering="apis_count")
    def api_count(self, product: Any) -> int:
        return int(product.apis_count)

    @admin.display(description=_("active"), ordering="active_subscriptions")
    def active_count(self, product: Any) -> int:
        return int(product.active_subscriptions)

    @admin.display(description=_("waiting"), ordering="waiting_subscriptions")
    def waiting_count(self, product: Any) -> int:
        return int(product.waiting_subscriptions)

    @admin.display(description=_("accepted by"))
    def acceptances(self, product: Product) -> str:
        """How many live subscriptions accepted the terms as they are now."""
        live = Subscription.objects.live().filter(product=product.pk)
        agreed = live.exclude(terms_accepted="")
        if not product.terms and not agreed.exists():
            return gettext("There are no terms to accept.")
        return gettext("These terms: %(now)d. An older version: %(earlier)d. None: %(none)d.") % {
            "now": agreed.filter(terms_accepted=product.terms).count(),
            "earlier": agreed.exclude(terms_accepted=product.terms).count(),
            "none": live.filter(terms_accepted="").count(),
        }

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Deleting many at once is not offered: each may end subscriptions."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        return super().get_changelist_form(request, **{"form": TableRowForm, **kwargs})

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if getattr(form, "price", None) is not None:
            offering.set_price(form.instance, form.price)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        product = self.get_object(request, object_id)
        if product is None:
            raise Http404
        return delete_view(self, request, product)


def _count_of(state: str) -> Count:
    return Count("subscriptions", filter=Q(subscriptions__state=state), distinct=True)
