"""What the gateway is to say of deprecated APIs and operations, from their rows."""

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import urlsplit

from django.utils.encoding import iri_to_uri

from apis import deprecation as rows
from apis.models import API
from gateway.configuration.snapshot import Deprecation


class Deprecations:
    """Of all APIs of a catalogue. `gateway_url` is empty where it is not known."""

    def __init__(self, apis: Iterable[API], gateway_url: str) -> None:
        self._apis = {api.pk: api for api in apis}
        self._gateway = urlsplit(gateway_url)

    def of_api(self, api: int) -> Deprecation | None:
        found = self._apis[api].own_deprecation
        return self._published(found) if found is not None else None

    def of_operation(
        self, api: int, since: datetime | None, sunset: datetime | None, successor: int | None, migration_url: str
    ) -> Deprecation | None:
        """None where nothing but what is said of its API holds for it."""
        if since is None or api not in self._apis:
            return None
        own = rows.Deprecation(since, sunset, successor, migration_url)
        return self._published(own.within(self._apis[api].own_deprecation))

    def _published(self, found: rows.Deprecation) -> Deprecation:
        successor = self._apis.get(found.successor_id) if found.successor_id is not None else None
        return Deprecation(
            since=int(found.since.timestamp()),
            sunset=int(found.sunset.timestamp()) if found.sunset is not None else None,
            successor_url=self._address(successor) if successor is not None else "",
            migration_url=iri_to_uri(found.migration_url),
        )

    def _address(self, api: API) -> str:
        """Where the API is called: relative to what the caller has called where the gateway's URL is not known."""
        path = f"{self._gateway.path.rstrip('/')}/{api.path}"
        if not self._gateway.netloc:
            return iri_to_uri(path)
        scheme = self._gateway.scheme if self._gateway.scheme in api.schemes else api.schemes[0]
        return iri_to_uri(f"{scheme}://{self._gateway.netloc}{path}")
