"""Scores a CSV file by the batch execution service of Azure Machine Learning (classic), through an API gateway.

    python bes.py --gateway http://127.0.0.1:8080 --subscription-key K --api-key K --input in.csv --output out.csv

The file goes to blob storage, a job is submitted and started, and the result is fetched when the job
has finished. The first line of the file names its columns; the example service scores the column
Col2. Needs Python 3 and requests. Keys may also come from the environment, where no list of processes
shows them: SUBSCRIPTION_KEY, AZUREML_API_KEY, AZURE_STORAGE_CONNECTION_STRING.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import os
import sys
import time
import uuid
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qsl, quote, urlsplit

import requests
from requests.auth import AuthBase

TIMEOUTS_SECONDS = (10.0, 100.0)
# The example service's.
DEMO_WORKSPACE = "77e4f9d0b8a34c6fa1d25b9c3e60f812"
DEMO_SERVICE = "c3a1d7e25f0b4b86902f6e8d41b7a95c"
# The example's storage: the account and key that Microsoft publishes for storage emulators.
DEMO_STORAGE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    f"BlobEndpoint=http://127.0.0.1:{os.environ.get('AZUREML_PORT') or 8090}/devstoreaccount1;"
)
# Where a running example writes its storage down, on whatever port that is.
DEMO_STORAGE_FILE = (
    Path(os.environ.get("DATA_DIR") or Path(__file__).resolve().parent.parent.parent / "var")
    / "azureml"
    / "connection_string"
)
# A service may give the status by number or by name.
STATES = ("NotStarted", "Running", "Failed", "Cancelled", "Finished")
# The longest that the gateway may make a call wait for its turn.
LONGEST_WAIT_SECONDS = 90
STORAGE_VERSION = "2020-12-06"


class CallError(Exception):
    """The call was not answered as it should be; the text says what came instead."""


class StorageError(Exception):
    """The text never holds a URL, which may carry a token."""


class JobError(Exception):
    """The job did not finish."""


def main() -> int:
    arguments = parse_arguments()
    try:
        run(arguments)
    except (CallError, StorageError, JobError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def demo_storage() -> str:
    """The connection string of the example's own storage."""
    if os.environ.get("AZUREML_PORT") or not DEMO_STORAGE_FILE.is_file():
        return DEMO_STORAGE
    return DEMO_STORAGE_FILE.read_text(encoding="ascii").strip()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Score a CSV file by the batch execution service.")
    add = parser.add_argument
    environ = os.environ.get
    add("--gateway", required=True, metavar="URL", help="the gateway, such as http://127.0.0.1:8080")
    add("--suffix", default="azureml-demo", help="the API's URL suffix (default: %(default)s)")
    add("--workspace", default=DEMO_WORKSPACE, help="default: the example's")
    add("--service", default=DEMO_SERVICE, help="default: the example's")
    add("--subscription-key", default=environ("SUBSCRIPTION_KEY", ""), metavar="KEY", help="opens the gateway")
    add("--api-key", default=environ("AZUREML_API_KEY", ""), metavar="KEY", help="opens the service behind it")
    add("--input", required=True, type=Path, help="a CSV file whose first line names the columns")
    add("--output", required=True, type=Path, help="the file to write the result to")
    add(
        "--storage",
        default=environ("AZURE_STORAGE_CONNECTION_STRING") or demo_storage(),
        metavar="CONNECTION_STRING",
        help="where input and output lie (default: the example's own storage)",
    )
    add("--container", default="batch-jobs", help="of the storage (default: %(default)s)")
    add("--poll", type=float, default=1.0, metavar="SECONDS", help="between looks at the status (default: 1)")
    add("--timeout", type=float, default=600.0, metavar="SECONDS", help="cancel the job after that (default: 600)")
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> None:
    service = WebService(service_url(arguments), arguments.subscription_key, arguments.api_key)
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:8]}"
    input_name, output_name = f"{name}-input.csv", f"{name}-output.csv"

    say(f"Uploading {arguments.input} as {arguments.container}/{input_name}")
    account = read_connection_string(arguments.storage)
    upload(account, arguments.container, input_name, arguments.input)

    job_id = service.call("POST", "/jobs", submission(arguments, input_name, output_name))
    say(f"Submitted job {job_id}")
    service.call("POST", f"/jobs/{job_id}/start")
    say("Started it")

    output = wait_for(service, job_id, poll=arguments.poll, timeout=arguments.timeout)
    say(f"Downloading {output['RelativeLocation']}")
    download(output["BaseLocation"] + output["RelativeLocation"] + output["SasBlobToken"], arguments.output)
    say(f"Wrote {arguments.output}")


def submission(arguments: argparse.Namespace, input_name: str, output_name: str) -> dict[str, Any]:
    def reference(name: str) -> dict[str, str]:
        return {"ConnectionString": arguments.storage, "RelativeLocation": f"/{arguments.container}/{name}"}

    return {"Input": reference(input_name), "Outputs": {"output1": reference(output_name)}, "GlobalParameters": {}}


def wait_for(service: WebService, job_id: str, *, poll: float, timeout: float) -> dict[str, str]:
    """Where the job's output is, once it has finished. Raises JobError if it does not finish."""
    deadline = time.monotonic() + timeout
    shown = ""
    while True:
        status = service.call("GET", f"/jobs/{job_id}")
        code = status["StatusCode"]
        state = STATES[code] if isinstance(code, int) else code
        if state != shown:
            say(f"The job is {state}")
            shown = state
        if state == "Finished":
            output: dict[str, str] = status["Results"]["output1"]
            return output
        if state in ("Failed", "Cancelled"):
            raise JobError(f"The job is {state}. {status.get('Details') or ''}".strip())
        if time.monotonic() > deadline:
            service.call("DELETE", f"/jobs/{job_id}")
            raise JobError(f"The job did not finish within {timeout:g} seconds and was cancelled.")
        time.sleep(poll)


def say(text: str) -> None:
    print(text, flush=True)


# -- The web service ---------------------------------------------------------------------------


@dataclass(frozen=True)
class WebService:
    url: str
    subscription_key: str
    api_key: str

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The JSON of the answer, None if it is empty. Raises CallError.

        Where the gateway limits the rate of calls, it says how long to wait: the call was not made,
        so it is made again then.
        """
        while True:
            response = self._send(method, path, body)
            wait = response.headers.get("Retry-After", "")
            if response.status_code != 429 or not wait.isdecimal() or int(wait) > LONGEST_WAIT_SECONDS:
                break
            print(f"The gateway's rate limit is reached; waiting {wait} seconds ...", flush=True)
            time.sleep(int(wait))
        if not response.ok:
            raise CallError(describe_error(response))
        try:
            return response.json() if response.content else None
        except requests.JSONDecodeError as error:
            raise CallError(f"The answer is not JSON: {response.text[:200]!r}") from error

    def _send(self, method: str, path: str, body: object) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.api_key}", "Accept": "application/json"}
        if self.subscription_key:
            headers["Ocp-Apim-Subscription-Key"] = self.subscription_key
        try:
            return requests.request(
                method,
                self.url + path,
                params={"api-version": "2.0"},
                json=body,
                headers=headers,
                timeout=TIMEOUTS_SECONDS,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise CallError(f"{method} {self.url}{path} failed: {error}") from error


def service_url(arguments: argparse.Namespace) -> str:
    parts = [arguments.gateway.rstrip("/"), arguments.suffix.strip("/")]
    parts += ["workspaces", quote(arguments.workspace, safe=""), "services", quote(arguments.service, safe="")]
    return "/".join(part for part in parts if part)


def describe_error(response: requests.Response) -> str:
    """Status, code, message and details, whether the web service answered or the gateway did."""
    lines = [f"HTTP {response.status_code} {response.reason}"]
    try:
        answer: Any = response.json()
    except requests.JSONDecodeError:
        return "\n".join([*lines, response.text[:1000]])
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        message = answer.get("message") if isinstance(answer, dict) else None
        return "\n".join([*lines, str(message or answer)])
    lines.append(f"{error.get('code')}: {error.get('message')}")
    for detail in error.get("details") or []:
        target = f" ({detail['target']})" if detail.get("target") else ""
        lines.append(f"  {detail.get('code')}{target}: {detail.get('message')}")
    return "\n".join(lines)


# -- Blob storage ------------------------------------------------------------------------------
# Sources: "Authorize with Shared Key" and "Put Blob" (Azure Storage REST API).

# In this order, in a line each, as a signature has them.
SIGNED_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


@dataclass(frozen=True)
class Account:
    endpoint: str
    name: str
    key: str
    token: str


class SharedKeyAuth(AuthBase):
    """Signs each request with the account's key."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["x-ms-date"] = formatdate(usegmt=True)
        headers = {name.lower(): str(value) for name, value in request.headers.items()}
        if headers.get("content-length") == "0":
            del headers["content-length"]
        lines = [str(request.method), *(headers.get(name, "") for name in SIGNED_HEADERS)]
        lines += [f"{name}:{headers[name]}" for name in sorted(headers) if name.startswith("x-ms-")]
        url = urlsplit(str(request.url))
        lines.append(f"/{self.account.name}{url.path}")
        lines += [f"{name.lower()}:{value}" for name, value in sorted(parse_qsl(url.query))]
        digest = hmac.digest(base64.b64decode(self.account.key), "\n".join(lines).encode(), hashlib.sha256)
        request.headers["Authorization"] = f"SharedKey {self.account.name}:{base64.b64encode(digest).decode()}"
        return request


def read_connection_string(text: str) -> Account:
    """Raises StorageError."""
    values = dict(part.strip().partition("=")[::2] for part in text.split(";") if part.strip())
    name, key, token = (values.get(part, "") for part in ("AccountName", "AccountKey", "SharedAccessSignature"))
    if not (name and key) and not token:
        raise StorageError("The connection string has neither AccountName and AccountKey nor SharedAccessSignature.")
    scheme, suffix = values.get("DefaultEndpointsProtocol", "https"), values.get("EndpointSuffix", "core.windows.net")
    endpoint = values.get("BlobEndpoint") or f"{scheme}://{name}.blob.{suffix}"
    return Account(endpoint.rstrip("/"), name, key, token.lstrip("?"))


def upload(account: Account, container: str, name: str, file: Path) -> None:
    """Write a file as a blob; the container is made if it is not there. Raises StorageError."""
    headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": "text/csv"}
    path = f"{container}/{quote(name)}"
    with file.open("rb") as data:
        # An empty stream would go out chunked, but blob storage wants a length.
        body = data if file.stat().st_size else b""
        response = _put(account, path, headers=headers, data=body)
        if response.headers.get("x-ms-error-code") == "ContainerNotFound":
            # 409: somebody else has just made it.
            _expect(_put(account, container, query={"restype": "container"}), 201, 409)
            data.seek(0)
            response = _put(account, path, headers=headers, data=body)
    _expect(response, 201)


def download(url: str, file: Path) -> None:
    """Write what a URL with a token gives into a file. Raises StorageError."""
    try:
        with requests.get(url, timeout=TIMEOUTS_SECONDS, stream=True, allow_redirects=False) as response:
            _expect(response, 200)
            with file.open("wb") as target:
                for chunk in response.iter_content(2**18):
                    target.write(chunk)
    except requests.RequestException as error:
        raise StorageError(f"The download failed: {type(error).__name__}") from None


def _put(
    account: Account,
    path: str,
    *,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    data: IO[bytes] | bytes = b"",
) -> requests.Response:
    token = dict(parse_qsl(account.token))
    try:
        return requests.put(
            f"{account.endpoint}/{path}",
            params={**(query or {}), **token},
            headers={**(headers or {}), "x-ms-version": STORAGE_VERSION},
            data=data,
            auth=SharedKeyAuth(account) if account.key else None,
            timeout=TIMEOUTS_SECONDS,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise StorageError(f"{account.endpoint} could not be reached: {type(error).__name__}") from None


def _expect(response: requests.Response, *statuses: int) -> None:
    if response.status_code not in statuses:
        code = response.headers.get("x-ms-error-code", "no error code")
        raise StorageError(f"Blob storage answered HTTP {response.status_code} {response.reason}: {code}")


if __name__ == "__main__":
    sys.exit(main())
