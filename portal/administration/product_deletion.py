"""Deleting a product: asks first, and says how many could not call any more."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from alerts.models import AlertRule
from portal.administration.model_admin import ModelAdmin
from portal.administration.steps import administrator
from subscriptions import offering
from subscriptions.models import Product, Subscription


def delete_view(model_admin: ModelAdmin, request: HttpRequest, product: Product) -> HttpResponse:
    if not model_admin.has_delete_permission(request, product):
        raise PermissionDenied
    if request.method != "POST":
        return _ask(model_admin, request, product)
    cancels = "cancel_subscriptions" in request.POST
    try:
        with transaction.atomic():
            model_admin.log_deletions(request, Product.objects.filter(pk=product.pk))
            # The product's row may stay for history; nothing will be called by it any more.
            AlertRule.objects.filter(product=product).delete()
            offering.delete_product(product, by=administrator(request), cancel_subscriptions=cancels)
    except offering.HasLiveSubscriptions:
        messages.error(request, _("It was not deleted. Confirm that its live subscriptions are to be cancelled."))
        return _ask(model_admin, request, product)
    messages.success(request, _("%(product)s is deleted.") % {"product": product.display_name})
    return redirect("admin:subscriptions_product_changelist")


def _ask(model_admin: ModelAdmin, request: HttpRequest, product: Product) -> HttpResponse:
    counts = offering.live_subscriptions(product)
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "title": _("Delete %(product)s?") % {"product": product.display_name},
        "opts": model_admin.opts,
        "product": product,
        "live": sum(counts.values()),
        "alert_rules": AlertRule.objects.filter(product=product).count(),
        "answer": _("Delete"),
        "back": {
            "url": reverse("admin:subscriptions_product_change", args=[product.pk]),
            "text": _("Back to the product"),
        },
        "counts": [(Subscription.State(state).label, count) for state, count in counts.items()],
    }
    return render(request, "admin/subscriptions/product/delete.html", context)
