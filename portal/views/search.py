"""Search over APIs and operations: a page, and what the box in the page's head drops down."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.models import Viewer
from apis.models import API, Operation
from portal.http import PageRequest
from portal.search_query import search_query
from subscriptions.models import visible_apis

DROPPED_DOWN = 8
ON_PAGE = 100


@require_safe
@vary_on_headers("HX-Request")
def search(request: PageRequest) -> HttpResponse:
    query = search_query(request)
    limit = DROPPED_DOWN if request.htmx else ON_PAGE
    apis, operations = _find(request.user, query, limit)
    template = "portal/_found.html" if request.htmx else "portal/search.html"
    return render(request, template, {"query": query, "apis": apis, "operations": operations})


def _find(viewer: Viewer, query: str, limit: int) -> tuple[list[API], list[Operation]]:
    if not query:
        return [], []
    visible = visible_apis(viewer)
    apis = visible.filter(display_name__icontains=query)[:limit]
    operations = Operation.objects.filter(api__in=visible).search(query).select_related("api")[:limit]
    return list(apis), list(operations)
