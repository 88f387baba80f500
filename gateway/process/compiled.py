"""The gateway as machine code, where `make compiled` has made it.

A worker runs it in place of the sources if it was made of exactly these, by this version of Python;
so nobody serves with the code of yesterday. It behaves the same, in half of the sources' own time.
"""

import hashlib
import os
import sys
from pathlib import Path

from gateway.log import logger

ROOT = Path(__file__).resolve().parents[2]
COMPILED = ROOT / "build" / "compiled"
SOURCES = ROOT / "gateway"


def compiled_folder() -> Path | None:
    """What a worker has to find its modules in, before it finds the sources. None where these run."""
    from portal import settings

    if not settings.GATEWAY_COMPILED:
        return None
    folder = COMPILED / fingerprint(SOURCES)
    if folder.is_dir():
        return folder
    if COMPILED.is_dir():
        logger.warning("what is compiled was made of other sources, so the sources run: see `make compiled`")
    return None


def environment(compiled: Path | None) -> dict[str, str] | None:
    """That of a worker which is started with `-P`, if there is something compiled; None is the master's own."""
    if compiled is None:
        return None
    further = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(compiled), str(ROOT), *([further] if further else [])])}


def fingerprint(sources: Path) -> str:
    """Of all of the package's files, and of the interpreter for which extension modules are made."""
    digest = hashlib.sha256(str(sys.implementation.cache_tag).encode())
    for file in sorted(sources.rglob("*")):
        if file.suffix in (".py", ".lua"):
            content = file.read_bytes()
            digest.update(b"%b\0%d\0%b" % (file.relative_to(sources).as_posix().encode(), len(content), content))
    return digest.hexdigest()[:16]
