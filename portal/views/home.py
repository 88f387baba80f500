"""The portal's front door."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apis.models import Operation
from portal.base_urls import base_urls
from portal.http import PageRequest, service_of
from portal.plans import offers_to
from portal.views.catalogue import listed_apis
from subscriptions.models import visible_apis

FEATURED = 6


@require_safe
def home(request: PageRequest) -> HttpResponse:
    context = {
        "apis": listed_apis(request.user)[:FEATURED],
        "offers": offers_to(request.user, count=FEATURED),
        **_example(request),
    }
    return render(request, "portal/home.html", context)


def _example(request: PageRequest) -> dict[str, object]:
    """A first call that the page shows: the first operation that the reader may see."""
    visible = Operation.objects.filter(api__in=visible_apis(request.user))
    example = visible.select_related("api").order_by("api__display_name", "position", "pk").first()
    if example is None:
        return {}
    urls = base_urls(example.api, service_of(request))
    return {
        "example": example,
        "example_url": f"{urls[0] if urls else ''}{example.url_template}",
        "example_body": example.representations.first(),
    }
