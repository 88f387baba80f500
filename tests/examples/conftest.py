"""The example web service as a process of its own, and what calls it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from azure.storage.blob import BlobServiceClient

from examples.azureml.settings import EMULATOR_KEY, SERVICE_ID, WORKSPACE_ID, connection_string
from tests.gateway.conftest import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
API_KEY = "only-for-tests-" + "z" * 32
SERVICE_PATH = f"/workspaces/{WORKSPACE_ID}/services/{SERVICE_ID}"


@dataclass(frozen=True)
class AzureML:
    """A running web service."""

    url: str
    folder: Path

    @property
    def storage(self) -> str:
        return connection_string(f"{self.url}/devstoreaccount1", EMULATOR_KEY)

    def call(self, method: str, path: str, *, key: str = API_KEY, version: str = "2.0", **arguments):
        """Call an operation of the service: `path` goes on after the service's own path."""
        return requests.request(
            method,
            self.url + SERVICE_PATH + path,
            params={"api-version": version, **arguments.pop("query", {})},
            headers={"Authorization": f"Bearer {key}"},
            timeout=180,
            **arguments,
        )

    def blobs(self) -> BlobServiceClient:
        return BlobServiceClient.from_connection_string(self.storage)


@contextmanager
def running(folder: Path, **environment: str) -> Iterator[AzureML]:
    """The web service until the block ends, on data that stays."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "examples.azureml"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(folder),
            "AZUREML_PORT": str(port),
            "AZUREML_API_KEY": API_KEY,
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        assert line == f"AzureML web service ready: http://127.0.0.1:{port}\n", process.communicate(timeout=180)
        yield AzureML(f"http://127.0.0.1:{port}", folder)
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=180)
    assert (process.returncode, errors) == (0, "")


@pytest.fixture(scope="session")
def azureml(tmp_path_factory) -> Iterator[AzureML]:
    with running(tmp_path_factory.mktemp("azureml")) as service:
        yield service


@pytest.fixture
def start_azureml(tmp_path) -> Iterator[Callable[..., AzureML]]:
    """Starts a web service with settings of its own: `with start_azureml(AZUREML_NGRAMS="1") as service`."""
    return lambda **environment: running(tmp_path, **environment)


@pytest.fixture
def container(azureml) -> Iterator[str]:
    """A container of the service's own storage for one test."""
    name = f"test-{os.urandom(6).hex()}"
    with azureml.blobs() as blobs:
        blobs.create_container(name)
        yield name
        blobs.delete_container(name)
