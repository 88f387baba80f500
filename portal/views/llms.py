"""`/llms.txt`: what the portal offers, as Markdown, for programs that read on somebody's behalf."""

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apis.models import Operation
from portal.http import PageRequest
from subscriptions.models import visible_apis

OPERATIONS_LISTED = 2000


@require_safe
def llms(request: PageRequest) -> HttpResponse:
    operations = (
        Operation.objects.filter(api__in=visible_apis(request.user))
        .select_related("api")
        .order_by("api__display_name", "api", "position", "pk")[:OPERATIONS_LISTED]
    )
    context = {"operations": operations, "portal_url": settings.PORTAL_URL}
    return render(request, "portal/llms.txt", context, content_type="text/plain; charset=utf-8")
