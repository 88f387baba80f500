"""The page of a product: what it offers to whom, under which policy."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from unfold.admin import StackedInline
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from apis.names import free_name
from policies.compiler import PolicyError, compile_product_policy
from policies.models import ProductPolicy
from policies.product_names import ProductNames
from portal.administration.deletion import subscriptions_in_the_way
from portal.administration.labels import label_column
from portal.administration.model_admin import ModelAdmin
from portal.limits import limits_of
from subscriptions import offering
from subscriptions.models import Product, Subscription

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
                    form.add_error("document", error.worded(_))


class ProductPolicyInline(StackedInline):
    model = ProductPolicy
    form = ProductPolicyForm
    formset = ProductPolicyFormSet
    verbose_name = "policy"
    verbose_name_plural = "policy"
    extra = 0
    hide_title = True
    fields = ["document", "limits"]
    readonly_fields = ["limits"]

    @admin.display(description="in words")
    def limits(self, policy: ProductPolicy) -> str:
        if policy.pk is None:
            return "Shown once it is saved."
        return ", and ".join(limits_of(policy.product)) or "No limits."

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)
        formset.form.base_fields["document"].initial = EMPTY_POLICY
        return formset


class ProductForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        widgets = {
            "groups": UnfoldAdminCheckboxSelectMultipleWidget,
            "description": UnfoldAdminTextareaWidget({"rows": 4}),
            "terms": UnfoldAdminTextareaWidget({"rows": 4}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "groups" in self.fields:
            self.fields["groups"].widget.can_add_related = False
        if "name" in self.fields:
            self.fields["name"].required = False
            self.fields["name"].help_text = "Identifies the product in URLs. Empty: made from the display name."

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
        return data


@admin.register(Product)
class ProductAdmin(ModelAdmin):
    form = ProductForm
    list_display = ["display_name", "shown_state", "access", "api_count", "active_count", "waiting_count"]
    list_filter = ["state", "approval_required", "subscription_required"]
    search_fields = ["display_name", "name"]
    list_per_page = 50
    autocomplete_fields = ["apis"]
    prepopulated_fields = {"name": ["display_name"]}
    change_form_outer_before_template = "admin/subscriptions/product/_links.html"
    inlines = [ProductPolicyInline]
    fieldsets = [
        (None, {"fields": ["display_name", "name", "description", "state", "apis", "groups", "position"]}),
        (
            "Subscriptions",
            {"fields": ["subscription_required", "approval_required", "subscriptions_limit", "terms"]},
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Product]:
        products: QuerySet[Product] = super().get_queryset(request)
        return products.annotate(
            apis_count=Count("apis", distinct=True),
            active_subscriptions=_count_of(Subscription.State.ACTIVE),
            waiting_subscriptions=_count_of(Subscription.State.SUBMITTED),
        )

    @label_column("state", ordering="state", colours={State.PUBLISHED: "success", State.NOT_PUBLISHED: "warning"})
    def shown_state(self, product: Product) -> tuple[str, str]:
        return product.state, product.get_state_display()

    @admin.display(description="access")
    def access(self, product: Product) -> str:
        if not product.subscription_required:
            return "Open"
        return "After approval" if product.approval_required else "At once"

    @admin.display(description="APIs", ordering="apis_count")
    def api_count(self, product: Any) -> int:
        return int(product.apis_count)

    @admin.display(description="active", ordering="active_subscriptions")
    def active_count(self, product: Any) -> int:
        return int(product.active_subscriptions)

    @admin.display(description="waiting", ordering="waiting_subscriptions")
    def waiting_count(self, product: Any) -> int:
        return int(product.waiting_subscriptions)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        in_the_way = subscriptions_in_the_way(objs, "product")
        if in_the_way:
            return [], {}, set(), in_the_way
        result: tuple[Any, Any, Any, Any] = super().get_deleted_objects(objs, request)
        return result


def _count_of(state: str) -> Count:
    return Count("subscriptions", filter=Q(subscriptions__state=state), distinct=True)
