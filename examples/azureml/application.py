"""The whole example as one ASGI application: the web service and its blob storage on one port."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from examples.azureml.errors import ServiceError
from examples.azureml.jobs import JobStore
from examples.azureml.messages import ClientGone, FilePart, Request, Response, joined_headers
from examples.azureml.runner import BatchRunner
from examples.azureml.settings import EMULATOR_ACCOUNT, Settings
from examples.azureml.storage.blob_reference import Account, BlobReference
from examples.azureml.storage.endpoint import BlobEndpoint
from examples.azureml.storage.store import BlobStore, ContainerExists
from examples.azureml.web_service import WebService, error_response

RESULTS_CONTAINER = "azureml-results"
SAMPLES_CONTAINER = "azureml-samples"
SAMPLE_BLOB = "input1.csv"
SAMPLE_FILE = Path(__file__).with_name("input1.csv")
_FILE_CHUNK_BYTES = 2**18

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApplication: TypeAlias = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class RequestTooLarge(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Backend:
    application: ASGIApplication
    runner: BatchRunner


def build(settings: Settings) -> Backend:
    """The application on the data of `settings.folder`, which no other process may use."""
    store = BlobStore(settings.folder / "blobs", limit_bytes=settings.storage_limit_bytes)
    _put_first_blobs(store)
    jobs = JobStore(settings.folder / "jobs.sqlite3", max_unfinished=settings.max_unfinished_jobs)
    allowed_endpoints = settings.blob_endpoints or (settings.blob_endpoint,)
    account = Account(settings.blob_endpoint, EMULATOR_ACCOUNT, settings.storage_key)
    runner = BatchRunner(
        jobs,
        settings.model,
        folder=settings.folder,
        workers=settings.batch_workers,
        limit_bytes=settings.batch_limit_bytes,
        allowed_endpoints=allowed_endpoints,
        default_output=lambda job_id: BlobReference(account, RESULTS_CONTAINER, f"{job_id}/output1.csv"),
    )
    service = WebService(settings, jobs, runner, allowed_endpoints=allowed_endpoints)
    blobs = BlobEndpoint(
        store,
        account=EMULATOR_ACCOUNT,
        key=settings.storage_key,
        url=settings.blob_endpoint,
        upload_limit_bytes=settings.batch_limit_bytes,
    )
    return Backend(_application(service, blobs, body_limit_bytes=settings.request_limit_bytes), runner)


def _put_first_blobs(store: BlobStore) -> None:
    """The containers for results and samples, with an input to try a batch job on."""
    for container in (RESULTS_CONTAINER, SAMPLES_CONTAINER):
        with contextlib.suppress(ContainerExists):
            store.create_container(container)
    with store.new_upload(0) as upload:
        upload.write(SAMPLE_FILE.read_bytes())
        store.put_blob(SAMPLES_CONTAINER, SAMPLE_BLOB, upload, {"content-type": "text/csv"}, lambda blob: None)


def _application(service: WebService, blobs: BlobEndpoint, *, body_limit_bytes: int) -> ASGIApplication:
    async def application(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        request = _request(scope)
        body = _body(receive)
        try:
            if blobs.owns(request.path):
                response = await blobs.answer(request, body)
            else:
                content = await _whole(body, body_limit_bytes)
                response = await asyncio.to_thread(service.answer, request, content)
        except RequestTooLarge:
            response = error_response(ServiceError("OutOfMemoryLimit", (f"{body_limit_bytes / 2**20:g}",)))
        except ClientGone:
            return
        await _send(response, send, without_body=request.method == "HEAD")

    return application


def _request(scope: MutableMapping[str, Any]) -> Request:
    client = scope.get("client") or ("", 0)
    return Request(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query_string=scope["query_string"].decode("latin-1"),
        headers=joined_headers(scope["headers"]),
        client=client[0],
        scheme=scope["scheme"],
    )


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    """Raises ClientGone if the connection ends before the body does."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body"):
            return


async def _whole(body: AsyncIterator[bytes], limit_bytes: int) -> bytes:
    content = bytearray()
    async for chunk in body:
        content += chunk
        if len(content) > limit_bytes:
            raise RequestTooLarge
    return bytes(content)


async def _send(response: Response, send: Send, *, without_body: bool) -> None:
    await send({"type": "http.response.start", "status": response.status, "headers": list(response.headers)})
    if isinstance(response.body, FilePart):
        with response.body.file as file:
            file.seek(response.body.start)
            left = response.body.length
            while left and (chunk := await asyncio.to_thread(file.read, min(left, _FILE_CHUNK_BYTES))):
                left -= len(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
    body = b"" if without_body or isinstance(response.body, FilePart) else response.body
    await send({"type": "http.response.body", "body": body})
