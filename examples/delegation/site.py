"""An own site to which the portal delegates sign-in and subscriptions. Python's standard library only.

    VALIDATION_KEY=… PORTAL_URL=http://127.0.0.1:8000 python -m examples.delegation.site 9100

Real sites check a password here, and keep their people in a database.
"""

import base64
import hashlib
import hmac
import html
import json
import os
import secrets
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

PORTAL_URL = os.environ.get("PORTAL_URL", "http://127.0.0.1:8000")
# What the portal signs for each operation, after the salt.
SIGNED = {
    **dict.fromkeys(["SignIn", "SignUp"], ("returnUrl",)),
    **dict.fromkeys(["ChangePassword", "ChangeProfile", "CloseAccount", "SignOut"], ("userId",)),
    "Subscribe": ("productId", "userId"),
    "Unsubscribe": ("subscriptionId",),
}
FORM = '<form method="post"><label>E-mail <input name="email" type="email"></label><button>Sign in</button></form>'


def key() -> bytes:
    return base64.b64decode(os.environ["VALIDATION_KEY"])


def is_from_portal(query: dict[str, str]) -> bool:
    """Whether the portal signed what the query asks for."""
    names = SIGNED.get(query.get("operation", ""), ())
    lines = "\n".join([query.get("salt", ""), *(query.get(name, "") for name in names)])
    signature = base64.b64encode(hmac.digest(key(), lines.encode(), hashlib.sha512)).decode()
    return bool(names) and hmac.compare_digest(signature.encode(), query.get("sig", "").encode())


def token_for(email: str) -> str:
    """What signs the person in at the portal, once and within a minute."""
    values = {"email": email, "expires": int(time.time()) + 60, "nonce": secrets.token_urlsafe(16)}
    payload = _base64url(json.dumps(values).encode())
    signature = hmac.digest(key(), b"signin-sso\n" + payload.encode(), hashlib.sha512)
    return f"{payload}.{_base64url(signature)}"


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        query = dict(parse_qsl(urlsplit(self.path).query))
        if not is_from_portal(query):
            self._answer(403, "The portal did not send you here.")
        elif query["operation"] in ("SignIn", "SignUp"):
            self._answer(200, FORM)
        elif query["operation"] == "SignOut":
            self._answer(302, location=PORTAL_URL)
        else:
            self._answer(200, f"Here you would go on with: {html.escape(query['operation'])}.")

    def do_POST(self) -> None:
        query = dict(parse_qsl(urlsplit(self.path).query))
        form = parse_qs(self.rfile.read(min(int(self.headers.get("Content-Length", 0)), 10_000)).decode())
        if not is_from_portal(query):
            self._answer(403, "The portal did not send you here.")
            return
        token, place = token_for(form["email"][0]), quote(query["returnUrl"], safe="")
        self._answer(302, location=f"{PORTAL_URL}/signin-sso/?token={token}&returnUrl={place}")

    def _answer(self, status: int, body: str = "", location: str = "") -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: object) -> None:
        """Addresses here hold tokens: nothing is logged."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
