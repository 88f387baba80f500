"""How long a request's body may take to arrive."""

from typing import Final

# So long a body may take in any case, however little of it comes.
GRACE_SECONDS: Final = 5.0


def body_deadline(now: float, began: float, received: int, *, pause_seconds: float, minimum: int) -> float:
    """When a body that began to be read at `began`, and of which so many bytes are here, is too slow.

    No pause may be too long, and on the whole at least `minimum` bytes must come in a second (0: any).
    """
    latest = now + pause_seconds
    if not minimum:
        return latest
    return min(latest, began + max(GRACE_SECONDS, received / minimum))
