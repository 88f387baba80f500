"""Starting the example web service, and what keeps it from starting."""

import os
import re
import socket
import stat
import subprocess
import sys

import pytest
import requests

from tests.examples.conftest import API_KEY, ROOT
from tests.gateway.conftest import free_port


def command(folder, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "examples.azureml", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(folder), "AZUREML_PORT": str(free_port()), **environment},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path):
    first, second = (command(tmp_path, "--print-config", AZUREML_PORT="8090") for _ in range(2))
    file = tmp_path / "azureml" / "api_key"
    assert first.stdout == second.stdout
    assert f"API key: {file.read_text()}\n" in first.stdout
    assert "BlobEndpoint=http://127.0.0.1:8090/devstoreaccount1;" in first.stdout
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_the_key_may_come_from_the_environment(tmp_path):
    assert f"API key: {API_KEY}\n" in command(tmp_path, "--print-config", AZUREML_API_KEY=API_KEY).stdout
    assert not (tmp_path / "azureml" / "api_key").exists()


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"AZUREML_HASHING_BITSIZE": "17"}, "AZUREML_HASHING_BITSIZE"),
        ({"AZUREML_HASHING_BITSIZE": "three"}, "AZUREML_HASHING_BITSIZE"),
        ({"AZUREML_NGRAMS": "0"}, "AZUREML_NGRAMS"),
        ({"AZUREML_API_KEY": "fifteen-letters"}, "AZUREML_API_KEY: too short"),
        ({"AZUREML_STORAGE_KEY": "?" * 40}, "AZUREML_STORAGE_KEY: not base64"),
        ({"AZUREML_HOST": "0.0.0.0"}, "AZUREML_HOST: beyond this machine, set AZUREML_STORAGE_KEY"),
        ({"AZUREML_URL": "ftp://a"}, "AZUREML_URL"),
        ({"AZUREML_BLOB_ENDPOINTS": "ftp://a"}, "AZUREML_BLOB_ENDPOINTS"),
        ({"AZUREML_SERVICE": "no guid"}, "AZUREML_SERVICE"),
    ],
)
def test_a_bad_setting_stops_the_start_and_is_named(tmp_path, environment, message):
    finished = command(tmp_path, **environment)
    assert finished.returncode == 1
    assert f"Cannot start: {message}" in finished.stderr
    assert not any(value in finished.stderr for name, value in environment.items() if name.endswith("_KEY"))


def test_a_port_in_use_is_said_clearly(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finished = command(tmp_path, AZUREML_PORT=str(port))
    assert finished.returncode == 1
    assert finished.stderr == (
        f"Cannot start: AZUREML_PORT: 127.0.0.1:{port} cannot be used (Address already in use); set another one.\n"
    )


def test_a_second_service_on_the_same_data_does_not_start(azureml):
    finished = command(azureml.folder)
    assert finished.returncode == 1
    assert "another web service uses" in finished.stderr


def test_the_start_page_answers_without_a_key(azureml):
    assert requests.get(azureml.url, timeout=180).json()["ready"] is True
    assert requests.head(azureml.url, timeout=180).status_code == 200


def test_the_readme_describes_every_setting():
    folder = ROOT / "examples" / "azureml"
    names = set(re.findall(r'"(AZUREML_\w+)"', (folder / "settings.py").read_text()))
    documented = set(re.findall(r"`(AZUREML_\w+)`", (folder / "README.md").read_text()))
    assert names <= documented
