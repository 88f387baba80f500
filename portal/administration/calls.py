"""Calls as ingested from the gateway's journal, and how far the ingest has come."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.paginator import InfinitePaginator

from analytics import countries
from analytics.charts.units import BYTES
from analytics.lag import ingest_lag
from analytics.models import Call, JournalPart
from apis.models import API, Operation
from portal.administration.labels import label_column
from portal.administration.read_only import ReadOnlyAdmin
from subscriptions.models import Subscription

PERIODS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
DEFAULT_PERIOD = "day"
LATE_SECONDS = 60


class PeriodFilter(admin.SimpleListFilter):
    """The last day unless one chooses: a list over all calls would read a table without end."""

    title = _("period")
    parameter_name = "period"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [("hour", gettext("Last hour")), ("week", gettext("Last 7 days")), ("all", gettext("All"))]

    def choices(self, changelist: Any) -> Any:
        choices = super().choices(changelist)
        yield {**next(choices), "display": gettext("Last 24 hours")}
        yield from choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Call]) -> QuerySet[Call]:
        period = PERIODS.get(self.value() or DEFAULT_PERIOD)
        return queryset if period is None else queryset.filter(at__gte=timezone.now() - period)


class OutcomeFilter(admin.SimpleListFilter):
    title = _("outcome")
    parameter_name = "outcome"
    ranges = {"success": (100, 399), "caller": (400, 499), "server": (500, 599)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [("success", gettext("Went well")), ("caller", "4xx"), ("server", "5xx")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Call]) -> QuerySet[Call]:
        limits = self.ranges.get(self.value() or "")
        return queryset.filter(response_code__range=limits) if limits else queryset


@admin.register(Call)
class CallAdmin(ReadOnlyAdmin):
    """Never counts the calls, and joins the names of what they concern in the one query of a page."""

    list_display = ["time", "outcome", "duration", "target", "caller", "request_line"]
    list_filter = [PeriodFilter, OutcomeFilter]
    search_fields = ["=request_id"]
    search_help_text = _("Request id")
    ordering = ["-at"]
    sortable_by: Sequence[str] = ["time"]
    list_per_page = 50
    paginator = InfinitePaginator
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Call]:
        calls: QuerySet[Call] = super().get_queryset(request)
        return calls.annotate(
            api_display_name=_name(API, "api_id"),
            operation_display_name=_name(Operation, "operation_id"),
            subscription_display_name=_name(Subscription, "subscription_id"),
        )

    def get_fields(self, request: HttpRequest, obj: Call | None = None) -> list[str]:
        own = [field.name for field in Call._meta.fields if field.name not in ("id", "api_id", "operation_id")]
        return ["api_name", "operation_name", "subscription_name", *own]

    @admin.display(description=_("time"), ordering="at")
    def time(self, call: Call) -> SafeString:
        return format_html(
            '<span class="nowrap">{}</span>', date_format(timezone.localtime(call.at), "DATETIME_FORMAT")
        )

    @admin.display(description=_("request"))
    def request_line(self, call: Call) -> SafeString:
        line = f"{call.method} {call.url}"
        return format_html('<code class="request-line" title="{}">{}</code>', line, line)

    @admin.display(description=_("took"))
    def duration(self, call: Call) -> SafeString:
        return format_html('<span class="nowrap">{} ms</span>', number_format(call.total_ms, 1, force_grouping=True))

    @label_column(_("answer"), colours={"success": "success", "caller": "warning", "server": "danger"})
    def outcome(self, call: Call) -> tuple[str, str]:
        kind = "success" if call.response_code < 400 else "caller" if call.response_code < 500 else "server"
        return kind, str(call.response_code)

    @admin.display(description=_("API and operation"))
    def target(self, call: Any) -> SafeString:
        return _two_lines(call.api_display_name, call.operation_display_name or call.error_reason)

    @admin.display(description=_("caller"))
    def caller(self, call: Any) -> SafeString:
        return _two_lines(call.subscription_display_name, call.caller_address)

    @admin.display(description=_("API"))
    def api_name(self, call: Any) -> str:
        return call.api_display_name or ""

    @admin.display(description=_("operation"))
    def operation_name(self, call: Any) -> str:
        return call.operation_display_name or ""

    @admin.display(description=_("subscription"))
    def subscription_name(self, call: Any) -> str:
        return call.subscription_display_name or ""


def _two_lines(*texts: str | None) -> SafeString:
    return format_html_join("", '<span class="call-line">{}</span>', ((text,) for text in texts if text))


def _name(model: Any, column: str) -> Subquery:
    return Subquery(model.objects.filter(pk=OuterRef(column)).values("display_name")[:1])


@admin.register(JournalPart)
class JournalPartAdmin(ReadOnlyAdmin):
    list_display = ["name", "offset", "updated_at", "problems", "last_problem", "deleted_at"]
    list_before_template = "admin/analytics/journalpart/ingest_lag.html"
    ordering = ["-updated_at"]
    list_per_page = 50

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        lag = ingest_lag()
        context = {
            "lag": lag,
            "is_late": lag is not None and lag.seconds(timezone.now()) > LATE_SECONDS,
            "waiting": BYTES.short(lag.bytes) if lag is not None else "",
            "no_countries": countries.current().problem,
        }
        answer: HttpResponse = super().changelist_view(request, context | (extra_context or {}))
        return answer
