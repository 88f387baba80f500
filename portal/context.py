"""What every page knows."""

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from service.models import current


def page(request: HttpRequest) -> dict[str, object]:
    """The service; lazily, so that a page that names it nowhere asks nothing of the database."""
    return {"service": SimpleLazyObject(current)}
