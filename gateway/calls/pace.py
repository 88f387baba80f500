"""How long a request's body may take to arrive."""

from typing import Final

# So long a body may take in any case, however little of it comes.
GRACE_SECONDS: Final = 5.0


class Pace:
    """Of one body after another. Time in which the gateway itself does not read does not count.

    No pause may be longer than `pause_seconds`, and on the whole at least `minimum` bytes must come
    in a second (0: any number will do).
    """

    __slots__ = ("_began", "_minimum", "_pause_seconds", "_paused_at")

    def __init__(self, pause_seconds: float, minimum: int) -> None:
        self._pause_seconds = pause_seconds
        self._minimum = minimum
        self._began = self._paused_at = 0.0

    def begin(self, now: float) -> None:
        self._began = now

    def pause(self, now: float) -> None:
        """May come before the body begins."""
        self._paused_at = now

    def resume(self, now: float) -> None:
        self._began += now - max(self._paused_at, self._began)

    def deadline(self, now: float, received: int) -> float:
        """When the body, of which so many bytes are here, is too slow."""
        latest = now + self._pause_seconds
        if not self._minimum:
            return latest
        return min(latest, self._began + max(GRACE_SECONDS, received / self._minimum))
