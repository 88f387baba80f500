"""What every page knows."""

from django.http import HttpRequest

from service.models import Service, current


def page(request: HttpRequest) -> dict[str, Service | None]:
    return {"service": current()}
