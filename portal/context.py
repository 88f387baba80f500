"""What every page knows."""

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from portal.http import portal_settings_of, service_of
from portal.views.notice import shown_notice


def page(request: HttpRequest) -> dict[str, object]:
    """The service and the portal's settings; lazily: a page that names them nowhere asks nothing of the database."""
    return {
        "service": SimpleLazyObject(lambda: service_of(request)),
        "portal_settings": SimpleLazyObject(lambda: portal_settings_of(request)),
        "notice": lambda: shown_notice(request),
    }
