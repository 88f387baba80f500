"""Calls as ingested from the gateway's journal, and how far the ingest has come."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from analytics import countries
from analytics.feeds.progress import all_feeds
from analytics.lag import LATE_SECONDS, ingest_lag
from analytics.models import Call, JournalPart
from portal.administration.call_export import export_view
from portal.administration.call_list import list_view
from portal.administration.call_page import page_view
from portal.administration.call_tail import tail_view
from portal.administration.read_only import ReadOnlyAdmin
from portal.units import BYTES


@admin.register(Call)
class CallAdmin(ReadOnlyAdmin):
    """Has pages of its own: there are too many calls for those of other lists."""

    custom_urls = [
        ("tail/", "analytics_call_tail", tail_view),
        ("export/", "analytics_call_export", export_view),
    ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return list_view(request, model_admin=self)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        call = self.get_object(request, object_id)
        if call is None or request.method != "GET":
            response: HttpResponse = super().change_view(request, object_id, form_url, extra_context)
            return response
        return page_view(request, call, model_admin=self)


@admin.register(JournalPart)
class JournalPartAdmin(ReadOnlyAdmin):
    list_display = ["name", "offset", "updated_at", "problems", "last_problem", "deleted_at"]
    list_before_template = "admin/analytics/journalpart/ingest_lag.html"
    ordering = ["-updated_at"]
    list_per_page = 50

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        lag, now = ingest_lag(), timezone.now()
        context = {
            "lag": lag,
            "is_late": lag is not None and lag.seconds(now) > LATE_SECONDS,
            "waiting": BYTES.short(lag.bytes) if lag is not None else "",
            "no_countries": countries.current().problem,
            "feeds": [(one, one.is_late(now)) for one in all_feeds()],
        }
        answer: HttpResponse = super().changelist_view(request, context | (extra_context or {}))
        return answer
