"""The portal's front door."""

from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.http import PageRequest
from subscriptions.models import Product, visible_apis

FEATURED = 6


@require_safe
def home(request: PageRequest) -> HttpResponse:
    apis = visible_apis(request.user).annotate(operation_count=Count("operations"))[:FEATURED]
    products = Product.objects.visible_to(request.user)[:FEATURED]
    return render(request, "portal/home.html", {"apis": apis, "products": products})
