"""A small OpenID Connect provider, which says of everybody what the test wants."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


@dataclass
class Provider:
    url: str
    claims: dict[str, Any] = field(default_factory=dict)
    # What came to the token endpoint.
    asked: list[dict[str, list[str]]] = field(default_factory=list)


@contextmanager
def running() -> Iterator[Provider]:
    provider = Provider("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/.well-known/openid-configuration":
                names = {"authorization_endpoint": "authorize", "token_endpoint": "token"}
                names |= {"userinfo_endpoint": "userinfo", "jwks_uri": "keys"}
                self._answer({"issuer": provider.url} | {key: f"{provider.url}/{path}" for key, path in names.items()})
            else:
                self._answer(provider.claims)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            provider.asked.append(parse_qs(body) | {"authorization": [self.headers.get("Authorization", "")]})
            self._answer({"access_token": "a token", "token_type": "Bearer", "expires_in": 60})

        def _answer(self, values: dict[str, Any]) -> None:
            content = json.dumps(values).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield provider
        server.shutdown()
        thread.join()
