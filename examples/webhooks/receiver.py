"""Receives webhooks with nothing but the standard library: checks signature and age, and takes each message once.

WEBHOOK_SECRET=whsec_… python examples/webhooks/receiver.py 9000
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MAX_AGE_SECONDS = 300
MAX_BODY_BYTES = 1_000_000


def is_genuine(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Whether one of the signatures is by this secret, and the message is neither old nor from the future."""
    stamp = headers.get("webhook-timestamp", "")
    if not (stamp.isascii() and stamp.isdigit()) or abs(now - int(stamp)) > MAX_AGE_SECONDS:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers.get('webhook-id', '')}.{stamp}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    given = headers.get("webhook-signature", "").encode().split()
    return any(hmac.compare_digest(one, wanted.encode()) for one in given)


def make_server(secret: str, port: int, take: Callable[[dict[str, Any]], None]) -> ThreadingHTTPServer:
    seen: set[str] = set()  # Keep it where it survives a restart, in the transaction of what you do with a message.

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(min(int(self.headers.get("content-length", 0)), MAX_BODY_BYTES))
            headers = {name.lower(): value for name, value in self.headers.items()}
            genuine = is_genuine(secret, headers, body, time.time())
            if genuine and headers["webhook-id"] not in seen:
                take(json.loads(body))
                seen.add(headers["webhook-id"])
            self.send_response(204 if genuine else 401)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", port), Receiver)


if __name__ == "__main__":
    make_server(os.environ["WEBHOOK_SECRET"], int(sys.argv[1]), print).serve_forever()
