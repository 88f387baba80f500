"""The catalogue: the list of APIs, an API, an operation."""

from django.core.paginator import Paginator
from django.db.models import Count, Prefetch
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.models import Viewer
from apis import deprecation
from apis.models import API, APIQuerySet, Operation, Parameter
from portal.access import api_or_404, operation_or_404, takes_subscriptions
from portal.base_urls import base_urls
from portal.console.page import Console, console_of, console_of_call
from portal.console.prefill import PARAMETER as CALL_PARAMETER
from portal.deprecation import notice_of
from portal.http import PageRequest, portal_settings_of, service_of
from portal.search_query import search_query
from portal.usage.failed import own_call
from subscriptions.models import Product, visible_apis

APIS_PER_PAGE = 60
OPERATIONS_LISTED = 500
MATCHES_LISTED = 5
Location = Parameter.Location


def listed_apis(viewer: Viewer) -> APIQuerySet:
    """The APIs that a viewer may see, by name, with their numbers of operations."""
    return visible_apis(viewer).annotate(operation_count=Count("operations")).order_by("display_name", "pk")


@require_safe
@vary_on_headers("HX-Request")
def apis(request: PageRequest) -> HttpResponse:
    query = search_query(request)
    found = listed_apis(request.user)
    if query:
        matching = Prefetch(
            "operations", Operation.objects.search(query)[:MATCHES_LISTED], to_attr="matching_operations"
        )
        found = found.search(query).prefetch_related(matching)
    page = Paginator(found, APIS_PER_PAGE).get_page(request.GET.get("page"))
    template = "portal/catalogue/_apis.html" if request.htmx else "portal/catalogue/apis.html"
    return render(request, template, {"page": page, "query": query})


@require_safe
def api(request: PageRequest, api: str) -> HttpResponse:
    shown = api_or_404(request.user, api)
    context = {
        "api": shown,
        "told": notice_of(request.user, shown.deprecation),
        "base_urls": base_urls(shown, service_of(request)),
        "takes_subscriptions": takes_subscriptions(shown),
        "offers_issues": shown.issues_offered and portal_settings_of(request).offers_issues,
        "products": Product.objects.visible_to(request.user).filter(apis=shown),
        **_operations_of(shown, search_query(request)),
    }
    return render(request, "portal/catalogue/api.html", context)


@require_safe
def operation(request: PageRequest, api: str, operation: str) -> HttpResponse:
    shown = operation_or_404(request.user, api, operation)
    call = own_call(request.user, request.GET.get(CALL_PARAMETER, ""))
    if call is None or call.operation_id != shown.pk:
        return operation_page(request, shown, console=console_of(request, shown))
    return operation_page(request, shown, console=console_of_call(request, shown, call))


def operation_page(request: PageRequest, shown: Operation, *, console: Console, status: int = 200) -> HttpResponse:
    """The page of an operation, its console in the given state."""
    parameters = list(shown.parameters.all())
    context = {
        "api": shown.api,
        "operation": shown,
        "told": notice_of(request.user, shown.deprecation),
        "base_urls": base_urls(shown.api, service_of(request)),
        "key_header": shown.api.key_header_name if shown.api.subscription_required else None,
        "parameters": [one for one in parameters if one.location != Location.HEADER],
        "headers": [one for one in parameters if one.location == Location.HEADER],
        "representations": shown.representations.all(),
        "responses": shown.responses.prefetch_related("headers", "representations"),
        "console": console,
        **_operations_of(shown.api, ""),
    }
    return render(request, "portal/catalogue/operation.html", context, status=status)


def _operations_of(api: API, query: str) -> dict[str, object]:
    """What the list at the left shows: at most OPERATIONS_LISTED, filtered where there is a query."""
    found = api.operations.only("name", "display_name", "method", "url_template", "api", *deprecation.FIELDS)
    if query:
        found = found.search(query)
    total = found.count()
    return {"operations": found[:OPERATIONS_LISTED], "operation_count": total, "query": query}
