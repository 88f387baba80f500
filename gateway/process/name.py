"""The names of a gateway: its own, and those under which its workers write their journals."""

import os
import secrets
from contextlib import suppress
from pathlib import Path


def gateway_name(directory: Path, port: int) -> str:
    """Different for every gateway whose journal reaches one database, and the same after a restart.

    A host's name is neither where containers are made anew, so the folder of the journal keeps a
    name of its own. Raises OSError.
    """
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "gateway-name"
    if not file.exists():
        # Of two gateways that start at once, one's name stays. In containers both can have one process id.
        draft = directory / f"gateway-name.{secrets.token_hex(8)}"
        with draft.open("x", encoding="ascii") as stream:
            stream.write(f"gateway-{secrets.token_hex(4)}")
            # A power failure must not leave the file without the name in it.
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(FileExistsError):
            os.link(draft, file)
        draft.unlink()
    return f"{file.read_text(encoding='ascii').strip()}-{port}"


def journal_name(gateway: str, slot: int) -> str:
    """That of the first worker is the gateway's."""
    return f"{gateway}.{slot}" if slot else gateway
