"""The settings of the example web service, read from the environment. README.md describes each one."""

import base64
import os
import secrets
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from uuid import UUID

from examples.azureml.model import Model
from examples.azureml.storage.blob_reference import is_endpoint
from portal.environment import SettingError, env_base_url, env_int, env_list, env_path, env_secret, env_text

BASE_DIR = Path(__file__).resolve().parent.parent.parent
# The demo's workspace and web service.
WORKSPACE_ID = "77e4f9d0b8a34c6fa1d25b9c3e60f812"
SERVICE_ID = "c3a1d7e25f0b4b86902f6e8d41b7a95c"
# Azurite's account and key, which Microsoft publishes; every client of the emulator knows them.
EMULATOR_ACCOUNT = "devstoreaccount1"
EMULATOR_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
# Beyond, one answer would have too many columns.
MAX_SERVED_BITS = 16
MAX_NGRAMS = 10


@dataclass(frozen=True, slots=True)
class Settings:
    host: str
    port: int
    url: str
    folder: Path
    api_key: str = field(repr=False)
    workspace: str
    service: str
    model: Model
    request_limit_bytes: int
    batch_limit_bytes: int
    batch_workers: int
    max_unfinished_jobs: int
    storage_key: str = field(repr=False)
    storage_limit_bytes: int
    blob_endpoints: tuple[str, ...]

    @property
    def blob_endpoint(self) -> str:
        """Where the demo's own storage answers."""
        return f"{self.url}/{EMULATOR_ACCOUNT}"

    @property
    def connection_string(self) -> str:
        return connection_string(self.blob_endpoint, self.storage_key)


def read_settings() -> Settings:
    """Raises SettingError, which names the variable."""
    host = env_text("AZUREML_HOST", default="127.0.0.1")
    port = env_int("AZUREML_PORT", default=8090, low=1, high=65535)
    folder = data_folder()
    settings = Settings(
        host=host,
        port=port,
        url=env_base_url("AZUREML_URL", default=f"http://127.0.0.1:{port}"),
        folder=folder,
        api_key=api_key(folder),
        workspace=env_text("AZUREML_WORKSPACE", default=WORKSPACE_ID),
        service=_service(),
        model=Model(
            text_column=env_text("AZUREML_TEXT_COLUMN", default="Col2"),
            bits=env_int("AZUREML_HASHING_BITSIZE", default=3, low=1, high=MAX_SERVED_BITS),
            ngrams=env_int("AZUREML_NGRAMS", default=2, low=1, high=MAX_NGRAMS),
        ),
        request_limit_bytes=env_int("AZUREML_REQUEST_LIMIT_BYTES", default=4 * 2**20, low=1024, high=2**28),
        batch_limit_bytes=env_int("AZUREML_BATCH_LIMIT_BYTES", default=256 * 2**20, low=1024, high=2**32),
        batch_workers=env_int("AZUREML_BATCH_WORKERS", default=2, low=1, high=64),
        max_unfinished_jobs=env_int("AZUREML_MAX_UNFINISHED_JOBS", default=100, low=1, high=100_000),
        storage_key=_storage_key(),
        storage_limit_bytes=env_int("AZUREML_STORAGE_LIMIT_BYTES", default=2 * 2**30, low=2**20, high=2**45),
        blob_endpoints=_blob_endpoints(),
    )
    if settings.storage_key == EMULATOR_KEY and not _is_loopback(host):
        raise SettingError(
            "AZUREML_HOST: beyond this machine, set AZUREML_STORAGE_KEY to a key of your own; the default is public."
        )
    return settings


def _service() -> str:
    service = env_text("AZUREML_SERVICE", default=SERVICE_ID)
    try:
        UUID(service)
    except ValueError as error:
        raise SettingError("AZUREML_SERVICE: give a GUID.") from error
    return service


def _storage_key() -> str:
    key = env_secret("AZUREML_STORAGE_KEY", low=32, default=EMULATOR_KEY)
    try:
        base64.b64decode(key, validate=True)
    except ValueError as error:
        raise SettingError("AZUREML_STORAGE_KEY: not base64.") from error
    return key


def _blob_endpoints() -> tuple[str, ...]:
    endpoints = env_list("AZUREML_BLOB_ENDPOINTS")
    for endpoint in endpoints:
        if not is_endpoint(endpoint):
            raise SettingError(
                f"AZUREML_BLOB_ENDPOINTS: {endpoint!r} is neither a URL such as http://127.0.0.1:10000/account "
                "nor a pattern such as https://*.blob.core.windows.net."
            )
    return tuple(endpoints)


def data_folder() -> Path:
    """The service's folder, made if it is not there; for its owner's eyes only."""
    folder = env_path("DATA_DIR", default=BASE_DIR / "var") / "azureml"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def api_key(folder: Path) -> str:
    """AZUREML_API_KEY, else the key that this installation made for itself on first use."""
    file = folder / "api_key"
    return env_secret("AZUREML_API_KEY", low=16, default=None if _is_set("AZUREML_API_KEY") else _kept_key(file))


def _is_set(name: str) -> bool:
    return name in os.environ or f"{name}_FILE" in os.environ


def _kept_key(file: Path) -> str:
    """Read the key; make it first, in one step, if it is not there: two processes may start at once."""
    if not file.exists():
        draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(48), encoding="ascii")
        try:
            os.link(draft, file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return file.read_text(encoding="ascii").strip()


def connection_string(blob_endpoint: str, key: str) -> str:
    scheme = blob_endpoint.split(":", 1)[0]
    return (
        f"DefaultEndpointsProtocol={scheme};AccountName={EMULATOR_ACCOUNT};AccountKey={key};"
        f"BlobEndpoint={blob_endpoint};"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
