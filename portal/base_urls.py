"""Where an API answers, as its callers see it."""

from urllib.parse import SplitResult, urlsplit

from apis.models import API
from service.models import Service


def base_urls(api: API, service: Service | None) -> list[str]:
    """One URL, or two where the API answers to both http and https and the gateway has no port of its own.

    A gateway with a port in its URL serves one scheme there: the other one is named only where the
    API takes no other, so that nobody is led to an address that the API shuts out.
    """
    if service is None:
        return []
    gateway = urlsplit(service.gateway_url)
    suffix = f"/{api.path}" if api.path else ""
    return [f"{scheme}://{gateway.netloc}{gateway.path}{suffix}" for scheme in _schemes(api, gateway)]


def _schemes(api: API, gateway: SplitResult) -> list[str]:
    if gateway.port is not None and gateway.scheme in api.schemes:
        return [gateway.scheme]
    return list(reversed(api.schemes))


def scheme_of_calls(api: API, service: Service) -> str:
    """The scheme over which callers come to the gateway at the API's URL."""
    gateway = urlsplit(service.gateway_url)
    return gateway.scheme if gateway.port is not None else _schemes(api, gateway)[0]
