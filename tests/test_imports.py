"""The direction of imports, as declared in pyproject.toml."""

import subprocess
import sys
from pathlib import Path


def test_imports_point_one_way():
    linter = Path(sys.executable).parent / "lint-imports"
    checked = subprocess.run([linter, "--no-cache"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def test_the_gateway_starts_without_django():
    assert "django.db" not in modules_of_the_gateway()


def test_a_worker_of_the_gateway_does_not_carry_the_text_format_of_metrics():
    assert "prometheus_client" not in modules_of_the_gateway()


def modules_of_the_gateway() -> set[str]:
    code = "import sys, gateway.process.worker_report, gateway.server, portal.settings; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())
