"""Which browsers have signed in to which accounts before, remembered by a signed cookie of the browser.

It tells no more than that: nobody is signed in by it.
"""

from dataclasses import dataclass
from secrets import token_urlsafe

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from accounts.models import User

COOKIE = "apim_device"
AGE_SECONDS = 365 * 86_400
MOST_ACCOUNTS = 20
_SALT = "accounts.devices"


@dataclass(frozen=True, slots=True)
class Device:
    """A browser: what it is called here, and the accounts that signed in, the latest one first."""

    name: str
    accounts: list[int]


def device_of(request: HttpRequest) -> Device:
    """What the browser's cookie says; a new device where it has none of ours."""
    try:
        name, *accounts = signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT, max_age=AGE_SECONDS)
    except signing.BadSignature:
        return Device(token_urlsafe(12), [])
    return Device(name, accounts)


def is_known(request: HttpRequest, user: User) -> bool:
    return user.pk in device_of(request).accounts


def known_by(request: HttpRequest, email: str) -> str | None:
    """The browser's name, if it has signed in to the account of the address before."""
    device = device_of(request)
    if not device.accounts or not User.objects.filter(pk__in=device.accounts, email__iexact=email).exists():
        return None
    return device.name


def remember(request: HttpRequest, response: HttpResponse, user: User) -> None:
    device = device_of(request)
    accounts = [user.pk, *(pk for pk in device.accounts if pk != user.pk)]
    response.set_cookie(
        COOKIE,
        signing.dumps([device.name, *accounts[:MOST_ACCOUNTS]], salt=_SALT),
        max_age=AGE_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


# The first that fits counts: most browsers name others as well.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("python", "Python"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def in_words(user_agent: str) -> str:
    """`Firefox, Linux`; the beginning of what the program calls itself where it is none that is known."""
    known = [
        next((name for mark, name in names if mark.lower() in user_agent.lower()), "")
        for names in (_BROWSERS, _SYSTEMS)
    ]
    return ", ".join(filter(None, known)) or user_agent[:40]
