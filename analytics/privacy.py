"""What is kept of whom: how much of callers' addresses, and nothing of people whose account is closed.

No body and no header of a call is ever recorded.
"""

from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import ip_network

from accounts.models import User, UserStateChange
from analytics.models import Call

FULL, TRUNCATED, NONE = "full", "truncated", "none"
# Of the person's last calls some may still be in a journal.
_CALLS_MAY_COME = timedelta(days=2)


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


def erase_user(user_id: int) -> int:
    """Take the person out of all single calls: who it was, and from where. Returns of how many."""
    return Call.objects.filter(user_id=user_id).update(user_id=None, caller_address="")


def erase_closed_accounts(now: datetime) -> int:
    """Erase those whose account was closed in the last days. Reads all calls, if there are any of these."""
    closed = UserStateChange.objects.filter(
        state=User.State.DELETED, user__state=User.State.DELETED, at__gte=now - _CALLS_MAY_COME
    )
    users = list(closed.values_list("user_id", flat=True).distinct().order_by())
    if not users:
        return 0
    return Call.objects.filter(user_id__in=users).update(user_id=None, caller_address="")
