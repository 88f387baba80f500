"""Where an API answers, as its callers see it."""

from urllib.parse import urlsplit

from apis.models import API
from service.models import Service


def base_urls(api: API, service: Service | None) -> list[str]:
    """One URL, or two where the API answers to both http and https and the gateway has no port of its own.

    A gateway with a port in its URL serves one scheme there: the other one would not answer.
    """
    if service is None:
        return []
    suffix = f"/{api.path}" if api.path else ""
    gateway = urlsplit(service.gateway_url)
    if gateway.port is not None:
        return [f"{service.gateway_url}{suffix}"]
    return [f"{scheme}://{gateway.netloc}{gateway.path}{suffix}" for scheme in reversed(api.schemes)]
