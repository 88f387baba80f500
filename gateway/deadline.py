"""When a connection is given up, by the clock of the event loop. The server looks at all deadlines by turns."""

from typing import Final

NEVER: Final = float("inf")
