"""A start that stops and names the variable that is wrong."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def start(**environment: str | None) -> subprocess.CompletedProcess[str]:
    merged = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={name: value for name, value in merged.items() if value is not None},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("PORTAL_PORT", "eighty", id="not a number"),
        pytest.param("GATEWAY_PORT", "70000", id="out of range"),
        pytest.param("PORTAL_URL", "portal.example.org", id="no scheme"),
        pytest.param("GATEWAY_URL", "https://x.example.org/?a=b", id="a query"),
        pytest.param("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", id="no scheme for traces"),
        pytest.param("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "collector:4318/v1/logs", id="no scheme for logs"),
        pytest.param("OTEL_TRACES_SAMPLER_ARG", "10", id="more than all traces"),
        pytest.param("DATABASE_URL", "mysql://root@localhost/x", id="a database that is not supported"),
        pytest.param("DATABASE_URL", "nonsense", id="not a database URL"),
        pytest.param("WEBHOOK_ALLOWED_NETWORKS", "10.0.0.1/8", id="an address with host bits for a network"),
        pytest.param("MAIL_DELIVERY", "pigeon", id="not a choice"),
        pytest.param("DEBUG", "perhaps", id="neither true nor false"),
        pytest.param("SECRET_KEY", None, id="a secret that is missing"),
        pytest.param("KEY_ENCRYPTION_KEY", "short", id="a secret that is too short"),
    ],
)
def test_a_bad_value_stops_the_start_and_is_named(name, value):
    started = start(**{name: value})
    assert started.returncode != 0
    assert f"Cannot start: {name}" in started.stderr


def test_a_secret_is_never_shown():
    assert "hunter2" not in start(KEY_ENCRYPTION_KEY="hunter2").stderr


def test_a_secret_may_come_from_a_file(tmp_path):
    (tmp_path / "key").write_text("k" * 40 + "\n")
    assert start(SECRET_KEY=None, SECRET_KEY_FILE=str(tmp_path / "key")).returncode == 0


def test_production_settings_pass_djangos_own_check():
    checked = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={
            **os.environ,
            "PORTAL_URL": "https://portal.example.org",
            "GATEWAY_URL": "https://api.example.org",
            "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
        },
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr


def test_every_setting_has_its_place_in_the_documents():
    code = (ROOT / "portal" / "settings.py").read_text()
    names = set(re.findall(r'env_\w+\(\s*"([A-Z_]+)"', code))
    rows = re.findall(r"^\| (`[^|]+) \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}
    assert names - documented == set()
    assert documented - names == {"AZUREML_PORT"}
