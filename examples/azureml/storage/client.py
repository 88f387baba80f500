"""Reading and writing one blob over HTTP, as a batch job needs it."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import BinaryIO
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

import requests
from requests.auth import AuthBase

from examples.azureml.storage import sas
from examples.azureml.storage.blob_reference import Account, BlobReference
from examples.azureml.storage.shared_key import sign, string_to_sign

TIMEOUTS_SECONDS = (5.0, 30.0)
_CHUNK_BYTES = 2**18
_MAX_ERROR_BYTES = 2**14


class BlobError(Exception):
    """Blob storage answered with an error or not at all; the text is its message, without URL or token."""


class BlobTooLarge(Exception):
    pass


class SharedKeyAuth(AuthBase):
    """Signs each request with the account's key."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["x-ms-date"] = format_datetime(datetime.now(UTC), usegmt=True)
        parts = urlsplit(request.url or "")
        text = string_to_sign(
            method=request.method or "",
            path=str(parts.path),
            query=parse_qsl(str(parts.query), keep_blank_values=True),
            headers={name.lower(): _text(value) for name, value in request.headers.items()},
            account=self._account.name,
        )
        request.headers["Authorization"] = f"SharedKey {self._account.name}:{sign(text, self._account.key or '')}"
        return request


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def download(blob: BlobReference, file: BinaryIO, *, limit_bytes: int, check_cancelled: Callable[[], None]) -> None:
    """Write a blob into a file. Raises BlobError or BlobTooLarge, or what `check_cancelled` raises."""
    size = 0
    with _session() as session, _send(session, "GET", blob) as response:
        try:
            for chunk in response.iter_content(_CHUNK_BYTES):
                check_cancelled()
                size += len(chunk)
                if size > limit_bytes:
                    raise BlobTooLarge
                file.write(chunk)
        except requests.RequestException as error:
            raise BlobError(f"The download broke off: {type(error).__name__}") from error


def upload(blob: BlobReference, file: BinaryIO, *, content_type: str) -> None:
    """Make a file the contents of a blob. Raises BlobError."""
    headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": content_type}
    with _session() as session, _send(session, "PUT", blob, headers=headers, data=file):
        pass


def _session() -> requests.Session:
    session = requests.Session()
    # The endpoint is one that the service's configuration allows: no proxy and no netrc of the environment.
    session.trust_env = False
    return session


def _send(
    session: requests.Session,
    method: str,
    blob: BlobReference,
    *,
    headers: dict[str, str] | None = None,
    data: BinaryIO | None = None,
) -> requests.Response:
    account = blob.account
    try:
        response = session.request(
            method,
            f"{blob.url}?{account.token}" if account.token else blob.url,
            headers={**(headers or {}), "x-ms-version": sas.SERVICE_VERSION, "Accept-Encoding": "identity"},
            data=data,
            auth=SharedKeyAuth(account) if account.key else None,
            timeout=TIMEOUTS_SECONDS,
            allow_redirects=False,
            stream=True,
        )
    except requests.RequestException as error:
        # Without the original's text, which holds the URL and with it the token.
        raise BlobError(f"The blob endpoint could not be reached: {type(error).__name__}") from None
    if response.status_code not in (200, 201):
        with response:
            raise BlobError(_message(response))
    return response


def _message(response: requests.Response) -> str:
    """The error's code and the first line of its message."""
    code = response.headers.get("x-ms-error-code", f"HTTP status {response.status_code}")
    try:
        body = response.raw.read(_MAX_ERROR_BYTES, decode_content=True)
        if b"<!" in body:
            return code
        message = ElementTree.fromstring(body).findtext("Message", "")  # noqa: S314 - no declarations, no entities.
    except (ElementTree.ParseError, requests.RequestException, OSError, ValueError):
        return code
    return f"{code}: {message.splitlines()[0]}" if message else code
