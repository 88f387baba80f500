"""What every page knows."""

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from portal.http import portal_settings_of
from portal.views.notice import shown_notice
from service.models import current


def page(request: HttpRequest) -> dict[str, object]:
    """The service and the portal's settings; lazily: a page that names them nowhere asks nothing of the database."""
    return {
        "service": SimpleLazyObject(current),
        "portal_settings": SimpleLazyObject(lambda: portal_settings_of(request)),
        "notice": lambda: shown_notice(request),
    }
