"""Celery's queue as files in a folder, for an installation without a message broker.

Kombu's file-system transport, with messages that appear in and leave the folder in one step. Kombu
itself creates a message's file before it fills it, and a worker that looks just then reads an empty
message, which ends it.
"""

import logging
import os
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any, ClassVar

from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps, loads

ALIAS = "filesystem"

logger = logging.getLogger(__name__)


class Channel(filesystem.Channel):
    def _put(self, queue: str, payload: dict[str, Any], **_: Any) -> None:  # type: ignore[override]
        file = Path(self.data_folder_out) / f"{time.time_ns()}_{uuid.uuid4()}.{queue}.msg"
        fresh = file.with_suffix(".new")
        fresh.write_text(dumps(payload), encoding="utf-8")
        fresh.replace(file)

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        folder = Path(self.data_folder_in)
        for name in sorted(name for name in os.listdir(folder) if name.partition(".")[2] == f"{queue}.msg"):
            taken = (folder / name).with_suffix(".taken")
            try:
                (folder / name).rename(taken)
            except FileNotFoundError:
                continue
            content = taken.read_bytes()
            taken.unlink()
            try:
                message: dict[str, Any] = loads(content)
            except ValueError:
                logger.exception("The message %s cannot be read and was dropped", name)
                continue
            return message
        raise Empty


class Transport(filesystem.Transport):
    Channel = Channel
    # Kombu would warn that the URL names no host.
    default_connection_params: ClassVar[dict[str, Any]] = {}


def install() -> None:
    """Let filesystem:// mean this transport."""
    TRANSPORT_ALIASES[ALIAS] = f"{__name__}:Transport"
