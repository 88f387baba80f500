"""What every page knows."""

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from portalsettings import models as portal_settings
from service.models import current


def page(request: HttpRequest) -> dict[str, object]:
    """The service and the portal's settings; lazily: a page that names them nowhere asks nothing of the database."""
    return {
        "service": SimpleLazyObject(current),
        "portal_settings": SimpleLazyObject(portal_settings.current),
    }
