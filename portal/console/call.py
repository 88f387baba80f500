"""A call to the gateway as the console sends it."""

from dataclasses import dataclass
from urllib.parse import parse_qsl


@dataclass(frozen=True, slots=True)
class Call:
    """`target` is path and query below the gateway's URL; `headers` come without the subscription key."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None

    def has_header(self, name: str) -> bool:
        return any(given.lower() == name.lower() for given, _ in self.headers)

    def has_query(self, name: str) -> bool:
        _, _, query = self.target.partition("?")
        return any(given.lower() == name.lower() for given, _ in parse_qsl(query, keep_blank_values=True))

    def with_header(self, name: str, value: str) -> "Call":
        return Call(self.method, self.target, (*self.headers, (name, value)), self.body)
