"""Whether the gateway answers, and which revision of the configuration it serves."""

import json
from dataclasses import dataclass

import requests
from django.conf import settings
from django.core.cache import cache

PATH = "/status-0123456789abcdef"
TIMEOUT_SECONDS = 1.0
KEPT_SECONDS = 5
LIMIT_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Status:
    """`code` is None where there was no answer at all, `revision` where it does not say."""

    answers: bool
    code: int | None = None
    revision: int | None = None


def status() -> Status:
    """Kept for some seconds, so that a gateway that is down holds up one page and not each."""
    known: Status | None = cache.get("gateway-status")
    if known is None:
        known = _ask()
        cache.set("gateway-status", known, KEPT_SECONDS)
    return known


def _ask() -> Status:
    url = settings.GATEWAY_INTERNAL_URL + PATH
    try:
        with requests.get(url, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True) as answer:
            body = answer.raw.read(LIMIT_BYTES)
            return Status(answer.status_code < 500, answer.status_code, _revision_in(body))
    except requests.RequestException:
        return Status(answers=False)


def _revision_in(body: bytes) -> int | None:
    try:
        revision = json.loads(body)["revision"]
    except (ValueError, KeyError, TypeError):
        return None
    return revision if isinstance(revision, int) else None
