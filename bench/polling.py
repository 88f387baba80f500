"""Calls with a key until the gateway answers them as it does after a change."""

import socket
import time

LONGEST_SECONDS = 60
PAUSE_SECONDS = 0.005


def seconds_until(status: int, port: int, path: str, key: str) -> float:
    """Call until the answer has this status, for a minute at most."""
    began = time.monotonic()
    while _status(port, path, key) != status:
        if time.monotonic() - began > LONGEST_SECONDS:
            raise SystemExit(f"bench: no {status} within {LONGEST_SECONDS} seconds")
        time.sleep(PAUSE_SECONDS)
    return time.monotonic() - began


def _status(port: int, path: str, key: str) -> int:
    try:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            lines = f"GET {path} HTTP/1.1\r\nHost: b\r\nOcp-Apim-Subscription-Key: {key}\r\n\r\n"
            connection.sendall(lines.encode())
            return int(connection.recv(12)[-3:] or 0)
    except OSError:  # It does not serve yet.
        return 0
