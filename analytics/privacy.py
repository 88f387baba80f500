"""What is kept of whom: how much of callers' addresses, and nothing of people whose account is closed.

No body of a call is ever recorded, and its headers without secrets only if it was answered with an error.
"""

import re
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import ip_network
from typing import Any

from accounts.models import User, UserStateChange
from analytics.models import Call
from gateway.http.masking import MASK, Pairs

FULL, TRUNCATED, NONE = "full", "truncated", "none"
# Of the person's last calls some may still be in a journal.
CALLS_MAY_COME = timedelta(days=2)
_ERASED: dict[str, Any] = {"user_id": None, "caller_address": "", "country": "", "request_headers": None}
_HOLDS_ADDRESSES = re.compile(
    rb"\A(?:x-)?forwarded\Z|(?:forwarded|proxied)-for|(?:\A|[-_])(?:ip(?:v[46])?|addr(?:ess)?)(?:\Z|[-_])"
    rb"|clientip|socketip"
)


@lru_cache(maxsize=10_000)
def kept_address(address: str, how: str) -> str:
    """The address; its network of 24 bits, or of 48 for IPv6; or nothing."""
    if how == FULL or not address:
        return address
    if how == NONE:
        return ""
    try:
        network = ip_network((address, 48 if ":" in address else 24), strict=False)
    except ValueError:
        return ""
    return str(network.network_address)


def kept_headers(headers: Pairs, how: str) -> Pairs:
    """Without the addresses in them, unless these are kept in full."""
    if how == FULL:
        return headers
    return tuple((name, MASK if _HOLDS_ADDRESSES.search(name) else value) for name, value in headers)


def erase_user(user_id: int) -> int:
    """Take the person out of all single calls: who it was, from where, and with what. Returns of how many."""
    return Call.objects.filter(user_id=user_id).update(**_ERASED)


def erase_closed_accounts(last: datetime | None) -> int:
    """Erase those whose account was closed up to some days before the last time; all of them, if there was none.

    Reads all calls, if there are any such accounts.
    """
    closed = UserStateChange.objects.filter(state=User.State.DELETED, user__state=User.State.DELETED)
    if last is not None:
        closed = closed.filter(at__gte=last - CALLS_MAY_COME)
    if not closed.exists():
        return 0
    return Call.objects.filter(user_id__in=closed.order_by().values("user_id")).update(**_ERASED)
