"""Compiles what is on the way of a call to machine code: `make compiled`. Needs a C compiler.

The result is a copy of the gateway's package, for the interpreter that runs this; the sources stay
as they are. `gateway.process.compiled` finds it.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from gateway.process.compiled import COMPILED, SOURCES, fingerprint

MODULES = (
    "calls/answers",
    "calls/call",
    "calls/caller",
    "calls/handling",
    "calls/outgoing",
    "calls/pace",
    "catalogue/admission",
    "catalogue/call_limits",
    "catalogue/routing",
    "http/chunks",
    "http/forwarding",
    "http/head",
    "http/masking",
    "http/request_id",
    "http/request_reader",
    "http/target",
    "http/trailers",
    "journal/writer",
    "limits/answers",
    "limits/counters",
    "server",
    "telemetry/call_metrics",
    "upstream/connection",
    "upstream/pool",
)
_BUILD = """
from mypyc.build import mypycify
from setuptools import setup

modules = mypycify({arguments!r}, opt_level="2", debug_level="0", group_name="gateway")
setup(name="gateway", py_modules=[], ext_modules=modules, script_args=["--quiet", "build_ext", "--inplace"])
"""


def main() -> int:
    if not is_possible():
        print("A C compiler and Python's headers are needed; on Debian and Ubuntu: apt-get install gcc python3-dev")
        return 1
    made = COMPILED / fingerprint(SOURCES)
    if made.is_dir():
        print(f"Compiled already: {made}")
        return 0
    COMPILED.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=COMPILED) as directory:
        folder = Path(directory)
        shutil.copytree(SOURCES, folder / "gateway", ignore=shutil.ignore_patterns("__pycache__"))
        # The project's own configuration is for all of the product, and wants all of it.
        (folder / "mypy.ini").write_text("[mypy]\nignore_missing_imports = True\n")
        arguments = [f"gateway/{module}.py" for module in MODULES]
        print("Compiling the gateway: this takes a minute or two ...")
        command = [sys.executable, "-c", _BUILD.format(arguments=arguments)]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if result.returncode:
            print(result.stdout, result.stderr, sep="\n")
            return result.returncode
        for by_product in ("build", ".mypy_cache"):
            shutil.rmtree(folder / by_product, ignore_errors=True)
        (folder / "mypy.ini").unlink()
        for before in COMPILED.iterdir():
            if before != folder:
                shutil.rmtree(before)
        folder.chmod(0o755)
        folder.rename(made)
        folder.mkdir()  # for the context manager to remove
    print(f"Compiled: {made}. Workers that start from now on run it.")
    return 0


def is_possible() -> bool:
    headers = Path(sysconfig.get_path("include")) / "Python.h"
    return shutil.which(os.environ.get("CC", "cc")) is not None and headers.exists()


if __name__ == "__main__":
    sys.exit(main())
