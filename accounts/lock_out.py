"""How often passwords may be guessed, so that guessing is hopeless and yet shuts nobody out of his account.

Failures are counted by address, by account and address, and by account for all browsers that have not
signed in to it before. Whoever guesses at somebody else's account, or from the same address, uses these
up. The owner's own browsers are counted each for itself, and a code by e-mail is a way in that these
counts do not close.
"""

from allauth.account.adapter import get_adapter
from allauth.core.internal import ratelimit
from django.http import HttpRequest

from accounts import devices

_APP, _ACTION = "accounts", "lock_out"
PER_ADDRESS = "10/m/ip"
PER_ACCOUNT_AND_ADDRESS = "5/5m/key"
PER_ACCOUNT = "50/h/key"
PER_KNOWN_DEVICE = "10/5m/key"
MAILS_PER_ACCOUNT_AND_ADDRESS = "3/5m/key"
MAILS_PER_ACCOUNT = "30/h/key"
MAILS_PER_STRANGER = "3/d/key"


class TooManyAttempts(Exception):
    pass


class Attempt:
    """A guess that is counted as failed until it has succeeded."""

    def __init__(self) -> None:
        self._uses: list[ratelimit.RateLimitUsage] = []

    def count(self, request: HttpRequest, action: str, rate: str, key: str) -> None:
        use = ratelimit.consume(request, app=_APP, action=action, config={action: rate}, key=key, limit_get=True)
        if use is None:
            raise TooManyAttempts
        self._uses.append(use)

    def succeeded(self) -> None:
        for use in self._uses:
            use.rollback()


def password_attempt(request: HttpRequest, email: str) -> Attempt:
    """Count a guess at the password. Raises TooManyAttempts, the same for addresses without an account."""
    attempt, account = Attempt(), email.lower()
    device = devices.known_by(request, account)
    if device is not None:
        attempt.count(request, _ACTION, PER_KNOWN_DEVICE, f"device {account} {device}")
        return attempt
    attempt.count(request, _ACTION, PER_ADDRESS, "")
    attempt.count(request, _ACTION, PER_ACCOUNT_AND_ADDRESS, f"{account} {_address(request)}")
    attempt.count(request, _ACTION, PER_ACCOUNT, account)
    return attempt


def mail_attempt(request: HttpRequest, action: str, email: str) -> None:
    """Count a request for a mail to the address, with a code or a link. Raises TooManyAttempts.

    A browser that has signed in to the account has counts of its own, as above.
    """
    account = email.lower()
    device = devices.known_by(request, account)
    if device is not None:
        Attempt().count(request, action, MAILS_PER_ACCOUNT_AND_ADDRESS, f"device {account} {device}")
        return
    Attempt().count(request, action, MAILS_PER_ACCOUNT_AND_ADDRESS, f"{account} {_address(request)}")
    Attempt().count(request, action, MAILS_PER_ACCOUNT, account)


def may_mail_stranger(request: HttpRequest, email: str) -> bool:
    """Count a mail to an address that has no account, whoever asks for it: its owner may have nothing to do with us."""
    try:
        Attempt().count(request, "stranger", MAILS_PER_STRANGER, email.lower())
    except TooManyAttempts:
        return False
    return True


def forgive(request: HttpRequest, email: str) -> None:
    """Forget the failures, for whoever has just set a new password by a mail to the address."""
    account = email.lower()
    for rate, key in ((PER_ACCOUNT_AND_ADDRESS, f"{account} {_address(request)}"), (PER_ACCOUNT, account)):
        ratelimit.clear(request, app=_APP, action=_ACTION, config={_ACTION: rate}, key=key)


def _address(request: HttpRequest) -> str:
    """The caller's address; of an IPv6 address the network, of which one caller has all."""
    return str(ratelimit.truncate_ip(get_adapter().get_client_ip(request)))
