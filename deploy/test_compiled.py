"""Runs the tests of the gateway on the wire with compiled workers: `python -m deploy.test_compiled`.

Without a C compiler it says so and passes, except in CI, where that is a failure.
"""

import os
import subprocess
import sys

from deploy import compile_gateway

# What is left out is about processes, which are not compiled, and takes long.
WITHOUT_CALLS = ("clock", "disk", "hosts", "process", "replacement")


def main() -> int:
    if not compile_gateway.is_possible():
        print("Tests with compiled workers are left out: there is no C compiler, or no headers of Python.")
        return 1 if os.environ.get("CI") else 0
    if compile_gateway.main():
        return 1
    ignored = [f"--ignore=tests/gateway/test_wire_{name}.py" for name in WITHOUT_CALLS]
    command = [sys.executable, "-m", "pytest", "-n", "2", "-k", "test_wire_", *ignored, "tests/gateway"]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
