"""The time before there is a service: everybody is sent to the set-up page, which a one-time code opens.

Whoever started the processes can read the code: the start prints it, and it lies in DATA_DIR.
"""

import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from service.models import Service

CODE_BYTES = 24
WRONG_CODES_LIMIT = 10
WRONG_CODES_PERIOD_SECONDS = 300
OPEN_PATHS = ("/setup/", "/language/", "/health/", "/favicon.ico")


class FirstRunMiddleware:
    """Redirects every page to the set-up page until there is a service.

    Once it has seen the service it asks no more: a service is never deleted.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.service_exists = False

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not self.service_exists and not request.path_info.startswith((*OPEN_PATHS, settings.STATIC_URL)):
            self.service_exists = Service.objects.exists()
            if not self.service_exists:
                return redirect("service:setup")
        return self.get_response(request)


def setup_code() -> str:
    """The code that opens the set-up page; made if there is none yet, readable by the file's owner only."""
    file = _code_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=".setup-code-") as fresh:
        fresh.write(secrets.token_urlsafe(CODE_BYTES))
        fresh.flush()
        # Of two processes that start at once, one makes the code, whole, and both print the same.
        with suppress(FileExistsError):
            os.link(fresh.name, file)
    return file.read_text(encoding="ascii")


def is_setup_code(text: str) -> bool:
    """Whether the text is the code; takes as long for a wrong one."""
    try:
        code = _code_file().read_bytes()
    except FileNotFoundError:
        return False
    return bool(code) and hmac.compare_digest(code, text.encode())


def fingerprint_of_code() -> str:
    """What a session keeps of the code, so that the code itself is stored in one place; empty if there is none."""
    try:
        return hashlib.sha256(_code_file().read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""


def forget_setup_code() -> None:
    """The service exists: the code has done its work."""
    _code_file().unlink(missing_ok=True)


def may_try(address: str) -> bool:
    """Whether this address has not yet given too many wrong codes."""
    return int(cache.get(_tries_key(address), 0)) < WRONG_CODES_LIMIT


def count_wrong_code(address: str) -> None:
    cache.add(_tries_key(address), 0, WRONG_CODES_PERIOD_SECONDS)
    with suppress(ValueError):  # It ran out between the two calls.
        cache.incr(_tries_key(address))


def _code_file() -> Path:
    return Path(settings.DATA_DIR) / "setup-code"


def _tries_key(address: str) -> str:
    return f"setup-code-tries-{hashlib.sha256(address.encode()).hexdigest()}"
