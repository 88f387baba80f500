"""Whom the publisher's notifications go to."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from notifications import publisher
from notifications.models import PublisherNotification
from portal.administration.model_admin import ModelAdmin
from service.models import current


@admin.register(PublisherNotification)
class PublisherNotificationAdmin(ModelAdmin):
    help_texts = {
        "users": _("They get it at the addresses of their accounts."),
    }
    list_display = ["shown_name", "shown_recipients"]
    list_display_links = ["shown_name"]
    fields = ["shown_name", "to_administrator", "emails", "users"]
    readonly_fields = ["shown_name"]
    autocomplete_fields = ["users"]
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[PublisherNotification]:
        rows: QuerySet[PublisherNotification] = super().get_queryset(request)
        return rows.prefetch_related("users")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, str] | None = None) -> HttpResponse:
        publisher.ensure_rows()
        answer: HttpResponse = super().changelist_view(request, extra_context)
        return answer

    @admin.display(description=_("notification"))
    def shown_name(self, row: PublisherNotification) -> str:
        return row.get_name_display()

    @admin.display(description=_("goes to"))
    def shown_recipients(self, row: PublisherNotification) -> str:
        return ", ".join(publisher.recipients_of(publisher.Notification(row.name), current())) or str(_("nobody"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
