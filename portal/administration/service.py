"""The service's page."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _

from portal.administration.model_admin import ModelAdmin
from service.models import Service


@admin.register(Service)
class ServiceAdmin(ModelAdmin):
    """There is one service, so that its list leads straight to it."""

    help_texts = {
        "organization_name": _("Stands on each page of the portal and in mails."),
        "administrator_email": _(
            "Gets the notifications that name nobody else; people who cannot sign in are told to write here."
        ),
    }
    fields = ["name", "gateway_url", "organization_name", "administrator_email", "created_at"]
    readonly_fields = ["name", "gateway_url", "created_at"]

    @admin.display(description=_("gateway URL"))
    def gateway_url(self, service: Service) -> str:
        return service.gateway_url

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Service | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, str] | None = None) -> HttpResponse:
        return redirect("admin:service_service_change", Service.objects.get().pk)
