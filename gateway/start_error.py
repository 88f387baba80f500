"""Why the gateway cannot start."""


class StartError(Exception):
    """The text says why, and names the setting."""
