"""The direction of imports, as declared in pyproject.toml."""

import subprocess
import sys
from pathlib import Path


def test_imports_point_one_way():
    linter = Path(sys.executable).parent / "lint-imports"
    checked = subprocess.run([linter, "--no-cache"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def test_the_gateway_starts_without_django():
    code = "import sys, gateway.server, portal.settings; sys.exit('django.db' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
