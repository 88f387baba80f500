"""The service's name and mark on the pages of the administration; settings.UNFOLD names these functions."""

from django.http import HttpRequest
from django.templatetags.static import static
from django.utils.translation import gettext as _

from portal.http import service_of


def title(request: HttpRequest) -> str:
    service = service_of(request)
    return _("%(service)s administration") % {"service": service.name} if service else _("Administration")


def header(request: HttpRequest) -> str:
    service = service_of(request)
    return service.name if service else "API Management"


def subheader(request: HttpRequest) -> str:
    service = service_of(request)
    return service.organization_name if service else ""


def icon(request: HttpRequest) -> str:
    return static("img/icon.svg")


def stylesheet(request: HttpRequest) -> str:
    return static("admin/administration.css")
