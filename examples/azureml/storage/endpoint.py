"""The blob endpoint: the part of Azure's Blob service REST API that clients of block blobs need.

Containers: create, properties, delete, list. Blobs: Put Blob, Put Block, Put Block List, get with
ranges, properties, delete, list; conditional headers; metadata. Addressed by path, as Azurite:
`/account/container/blob`. What is not known is refused rather than ignored: copies, leases,
snapshots, tags, other kinds of blobs, encryption keys, CRC64.
"""

import asyncio
import base64
import binascii
import hashlib
import logging
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TypeAlias
from urllib.parse import unquote
from xml.etree import ElementTree

from examples.azureml.messages import ClientGone, FilePart, Request, Response
from examples.azureml.storage import authorization, conditions, listing, sas
from examples.azureml.storage.errors import StorageError
from examples.azureml.storage.store import (
    MAX_BLOCKS,
    Blob,
    BlobStore,
    ContainerExists,
    NoSuchBlob,
    NoSuchBlock,
    NoSuchContainer,
    Precondition,
    StorageFull,
    TooManyBlocks,
    Upload,
)

CONTAINER_NAME = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
MAX_BLOB_NAME_CHARACTERS = 1024
MAX_BLOCK_LIST_BYTES = MAX_BLOCKS * 160
MAX_MD5_RANGE_BYTES = 4 * 2**20
MAX_METADATA_CHARACTERS = 8192
METADATA_NAME = re.compile(r"x-ms-meta-[a-z_][a-z0-9_]*")
_REFUSED_HEADERS = (
    "x-ms-blob-public-access",
    "x-ms-content-crc64",
    "x-ms-copy-source",
    "x-ms-encryption-key",
    "x-ms-encryption-scope",
    "x-ms-legal-hold",
    "x-ms-immutability-policy-mode",
    "x-ms-structured-body",
    "x-ms-tags",
)
_REFUSED_PARAMETERS = ("snapshot", "versionid")
# What XML cannot hold, and what a listing's markers rest on.
_REFUSED_IN_NAMES = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff\U0010ffff]")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """An authorised request and what it is about."""

    request: Request
    query: dict[str, str]
    container: str
    blob: str
    grant: sas.Grant
    body: AsyncIterator[bytes]


Handler: TypeAlias = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Operation:
    handler: Handler
    scope: sas.Scope
    any_of: str


class BlobEndpoint:
    def __init__(self, store: BlobStore, *, account: str, key: str, url: str, upload_limit_bytes: int) -> None:
        self._store = store
        self._account = account
        self._key = key
        self._url = url
        self._upload_limit_bytes = upload_limit_bytes
        service, container, blob = sas.Scope.SERVICE, sas.Scope.CONTAINER, sas.Scope.OBJECT
        # By level, method and the query's `comp`.
        self._operations = {
            ("service", "GET", "list"): Operation(self._list_containers, service, "l"),
            ("container", "PUT", ""): Operation(self._create_container, container, "cw"),
            ("container", "GET", ""): Operation(self._container_properties, container, "r"),
            ("container", "HEAD", ""): Operation(self._container_properties, container, "r"),
            ("container", "DELETE", ""): Operation(self._delete_container, container, "d"),
            ("container", "GET", "list"): Operation(self._list_blobs, sas.Scope.CONTENTS, "l"),
            ("blob", "PUT", ""): Operation(self._put_blob, blob, "cw"),
            ("blob", "PUT", "block"): Operation(self._put_block, blob, "cw"),
            ("blob", "PUT", "blocklist"): Operation(self._put_block_list, blob, "cw"),
            ("blob", "GET", ""): Operation(self._get_blob, blob, "r"),
            ("blob", "HEAD", ""): Operation(self._get_blob, blob, "r"),
            ("blob", "DELETE", ""): Operation(self._delete_blob, blob, "d"),
        }

    def owns(self, path: str) -> bool:
        return path == f"/{self._account}" or path.startswith(f"/{self._account}/")

    async def answer(self, request: Request, body: AsyncIterator[bytes]) -> Response:
        """Raises ClientGone, and nothing else."""
        request_id = str(uuid.uuid4())
        try:
            response = await self._dispatch(request, body)
        except StorageError as error:
            response = error.response(request_id)
        except ClientGone:
            raise
        except Exception as error:
            # Neither path nor query: a query may hold a shared access signature.
            logger.exception("The blob endpoint failed: request %s", request_id)
            response = StorageError("InternalError", type(error).__name__).response(request_id)
        return Response(response.status, (*response.headers, *_common_headers(request, request_id)), response.body)

    async def _dispatch(self, request: Request, body: AsyncIterator[bytes]) -> Response:
        container, blob = self._target(request.path)
        try:
            query = {name.lower(): value for name, value in request.query}
        except ValueError as error:
            raise StorageError("InvalidUri", "too many query parameters") from error
        grant = authorization.authenticate(
            request, account=self._account, key=self._key, container=container, blob=blob, now=_now()
        )
        operation = self._operation(request, query, container, blob)
        authorization.authorize(grant, request, scope=operation.scope, any_of=operation.any_of)
        _refuse_unknown(request, query)
        try:
            return await operation.handler(Call(request, query, container, blob, grant, body))
        except NoSuchContainer as error:
            raise StorageError("ContainerNotFound") from error
        except NoSuchBlob as error:
            raise StorageError("BlobNotFound") from error
        except ContainerExists as error:
            raise StorageError("ContainerAlreadyExists") from error
        except NoSuchBlock as error:
            raise StorageError("InvalidBlockList") from error
        except TooManyBlocks as error:
            raise StorageError("BlockCountExceedsLimit") from error
        except StorageFull as error:
            raise StorageError("RequestBodyTooLarge", "This storage has no room for it.") from error

    def _target(self, path: str) -> tuple[str, str]:
        """Container and blob of a path, decoded; empty texts where the path ends before them."""
        container, _, blob = path[len(self._account) + 2 :].partition("/")
        try:
            container, blob = unquote(container, errors="strict"), unquote(blob, errors="strict")
        except UnicodeDecodeError as error:
            raise StorageError("InvalidUri") from error
        if container and not CONTAINER_NAME.fullmatch(container):
            raise StorageError("InvalidResourceName", "container")
        if len(blob) > MAX_BLOB_NAME_CHARACTERS or _REFUSED_IN_NAMES.search(blob):
            raise StorageError("InvalidResourceName", "blob")
        return container, blob

    def _operation(self, request: Request, query: dict[str, str], container: str, blob: str) -> Operation:
        level = "blob" if blob else "container" if container else "service"
        if level == "container" and query.get("restype") != "container":
            raise StorageError("InvalidQueryParameterValue", "restype")
        operation = self._operations.get((level, request.method, query.get("comp", "").lower()))
        if operation is None:
            code = "UnsupportedQueryParameter" if query.get("comp") else "UnsupportedHttpVerb"
            raise StorageError(code, "comp" if query.get("comp") else "")
        return operation

    # -- Service and containers --------------------------------------------------------------

    async def _list_containers(self, call: Call) -> Response:
        query = listing.read_list_query(call.query)
        return _xml(await asyncio.to_thread(listing.list_containers, self._store, query, endpoint=self._url))

    async def _create_container(self, call: Call) -> Response:
        if any(name.startswith("x-ms-meta-") for name in call.request.headers):
            raise StorageError("UnsupportedHeader", "x-ms-meta-*")
        container = await asyncio.to_thread(self._store.create_container, call.container)
        return Response(201, _version_headers(container.etag, container.modified_at))

    async def _container_properties(self, call: Call) -> Response:
        container = await asyncio.to_thread(self._store.container, call.container)
        return Response(200, (*_version_headers(container.etag, container.modified_at), *_NO_LEASE))

    async def _delete_container(self, call: Call) -> Response:
        await asyncio.to_thread(self._store.delete_container, call.container)
        return Response(202)

    async def _list_blobs(self, call: Call) -> Response:
        query = listing.read_list_query(call.query)
        return _xml(await asyncio.to_thread(listing.list_blobs, self._store, call.container, query, endpoint=self._url))

    # -- Blobs -------------------------------------------------------------------------------

    async def _put_blob(self, call: Call) -> Response:
        headers = call.request.headers
        if headers.get("x-ms-blob-type") != "BlockBlob":
            raise StorageError("InvalidHeaderValue", "x-ms-blob-type: only BlockBlob is supported")
        properties = _blob_properties(headers, whole_blob=True)
        self._store.container(call.container)
        with await self._receive(call) as upload:
            blob = await asyncio.to_thread(
                self._store.put_blob, call.container, call.blob, upload, properties, _may_write(call)
            )
        return Response(201, (*_version_headers(blob.etag, blob.modified_at), *_md5_headers(blob)))

    async def _put_block(self, call: Call) -> Response:
        block_id = _block_id(call.query.get("blockid", ""))
        self._store.container(call.container)
        with await self._receive(call) as upload:
            await asyncio.to_thread(self._store.put_block, call.container, call.blob, block_id, upload)
            return Response(201, ((b"content-md5", base64.b64encode(upload.md5)),))

    async def _put_block_list(self, call: Call) -> Response:
        properties = _blob_properties(call.request.headers, whole_blob=False)
        body = bytearray()
        async for chunk in call.body:
            body += chunk
            if len(body) > MAX_BLOCK_LIST_BYTES:
                raise StorageError("RequestBodyTooLarge")
        _check_md5(call.request, hashlib.md5(body, usedforsecurity=False).digest())
        block_ids = _read_block_list(bytes(body))
        blob = await asyncio.to_thread(
            self._store.put_block_list, call.container, call.blob, block_ids, properties, _may_write(call)
        )
        return Response(201, _version_headers(blob.etag, blob.modified_at))

    async def _receive(self, call: Call) -> Upload:
        """The request's body on disk, complete and as its Content-MD5 says."""
        length = call.request.headers.get("content-length", "")
        if not length.isdecimal():
            raise StorageError("MissingContentLengthHeader")
        size = int(length)
        if size > self._upload_limit_bytes:
            raise StorageError("RequestBodyTooLarge")
        upload = self._store.new_upload(size)
        try:
            async for chunk in call.body:
                upload.write(chunk)
            if upload.size != size:
                raise StorageError("IncompleteBody")
            _check_md5(call.request, upload.md5)
        except BaseException:
            upload.__exit__()
            raise
        return upload

    async def _get_blob(self, call: Call) -> Response:
        headers = call.request.headers
        if call.request.method == "HEAD":
            blob = await asyncio.to_thread(self._store.blob, call.container, call.blob)
            conditions.check_read(headers, blob)
            return Response(200, (*_blob_headers(blob, call.query), (b"content-length", str(blob.size).encode())))
        blob, file = await asyncio.to_thread(self._store.open, call.container, call.blob)
        try:
            conditions.check_read(headers, blob)
            wanted = _range(headers.get("x-ms-range") or headers.get("range", ""), blob.size)
            if wanted is None:
                response_headers = (*_blob_headers(blob, call.query), (b"content-length", str(blob.size).encode()))
                return Response(200, response_headers, FilePart(file, 0, blob.size))
            start, length = wanted
            extra = [
                (b"content-range", f"bytes {start}-{start + length - 1}/{blob.size}".encode()),
                (b"content-length", str(length).encode()),
            ]
            if headers.get("x-ms-range-get-content-md5", "").lower() == "true":
                if length > MAX_MD5_RANGE_BYTES:
                    raise StorageError("InvalidHeaderValue", "x-ms-range-get-content-md5: at most 4 MiB")
                file.seek(start)
                digest = hashlib.md5(file.read(length), usedforsecurity=False).digest()
                extra.append((b"content-md5", base64.b64encode(digest)))
            return Response(
                206, (*_blob_headers(blob, call.query, is_part=True), *extra), FilePart(file, start, length)
            )
        except BaseException:
            file.close()
            raise

    async def _delete_blob(self, call: Call) -> Response:
        condition = conditions.write_condition(call.request.headers)
        await asyncio.to_thread(self._store.delete_blob, call.container, call.blob, condition)
        return Response(202, ((b"x-ms-delete-type-permanent", b"true"),))


def _may_write(call: Call) -> Precondition:
    """The request's conditions, and that a permission to create does not overwrite."""
    condition = conditions.write_condition(call.request.headers)

    def check(blob: Blob | None) -> None:
        if blob is not None and "w" not in call.grant.permissions:
            raise StorageError("AuthorizationPermissionMismatch")
        condition(blob)

    return check


def _refuse_unknown(request: Request, query: dict[str, str]) -> None:
    for name in _REFUSED_HEADERS:
        if name in request.headers:
            raise StorageError("UnsupportedHeader", name)
    for name in _REFUSED_PARAMETERS:
        if name in query:
            raise StorageError("UnsupportedQueryParameter", name)
    if "x-ms-lease-id" in request.headers:
        raise StorageError("LeaseNotPresentWithBlobOperation")


def _blob_properties(headers: dict[str, str], *, whole_blob: bool) -> dict[str, str]:
    """Header fields to be kept; Put Blob takes them from the body's own fields too, Put Block List does not."""
    properties = {"content-type": "application/octet-stream"}
    for name in ("content-type", "content-encoding", "content-language", "content-disposition", "cache-control"):
        value = headers.get(f"x-ms-blob-{name}") or (headers.get(name) if whole_blob else None)
        if value:
            properties[name] = value
    metadata = {name: value for name, value in headers.items() if name.startswith("x-ms-meta-")}
    if sum(map(len, metadata)) + sum(map(len, metadata.values())) > MAX_METADATA_CHARACTERS:
        raise StorageError("InvalidHeaderValue", "the metadata is too large")
    if not all(METADATA_NAME.fullmatch(name) for name in metadata):
        raise StorageError("InvalidHeaderValue", "a name of metadata is not an identifier")
    return properties | metadata


def _check_md5(request: Request, digest: bytes) -> None:
    wanted = request.headers.get("content-md5")
    if wanted is not None and wanted != base64.b64encode(digest).decode():
        raise StorageError("Md5Mismatch")


def _block_id(text: str) -> str:
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise StorageError("InvalidBlockId") from error
    if not 1 <= len(decoded) <= 64:
        raise StorageError("InvalidBlockId")
    return text


def _read_block_list(body: bytes) -> list[str]:
    """The ids of a block list, which must all be uncommitted blocks. Raises StorageError."""
    try:
        text = body.decode("utf-8-sig")
        if "<!" in text:
            raise ValueError("declarations are not allowed")
        root = ElementTree.fromstring(text)  # noqa: S314 - without declarations there are no entities to expand.
    except (ValueError, ElementTree.ParseError) as error:
        raise StorageError("InvalidXmlDocument") from error
    if root.tag != "BlockList" or any(block.tag not in ("Latest", "Uncommitted") for block in root):
        raise StorageError("InvalidBlockList")
    if len(root) > MAX_BLOCKS:
        raise StorageError("BlockCountExceedsLimit")
    return [_block_id((block.text or "").strip()) for block in root]


def _range(field: str, size: int) -> tuple[int, int] | None:
    """Start and length of `bytes=first-[last]`; None for the whole blob. Other forms are ignored."""
    found = re.fullmatch(r"bytes=(\d{1,18})-(\d{0,18})", field.strip())
    if not found:
        return None
    start, last = int(found[1]), int(found[2]) if found[2] else size - 1
    if start >= size or last < start:
        raise StorageError("InvalidRange")
    return start, min(last, size - 1) - start + 1


_NO_LEASE = ((b"x-ms-lease-status", b"unlocked"), (b"x-ms-lease-state", b"available"))


def _blob_headers(blob: Blob, query: dict[str, str], *, is_part: bool = False) -> list[tuple[bytes, bytes]]:
    properties = dict(blob.properties)
    if "sig" in query:
        properties |= {field: query[name] for name, field in sas.OVERRIDES.items() if name in query}
    if not all(value.isprintable() for value in properties.values()):
        raise StorageError("InvalidQueryParameterValue", "a response header field has control characters")
    headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in properties.items()]
    headers += _version_headers(blob.etag, blob.modified_at)
    headers += [(b"x-ms-blob-content-md5", value) if is_part else (name, value) for name, value in _md5_headers(blob)]
    headers += _NO_LEASE
    headers += [
        (b"x-ms-creation-time", format_datetime(blob.created_at, usegmt=True).encode()),
        (b"x-ms-blob-type", b"BlockBlob"),
        (b"accept-ranges", b"bytes"),
    ]
    return headers


def _md5_headers(blob: Blob) -> list[tuple[bytes, bytes]]:
    return [(b"content-md5", base64.b64encode(blob.md5))] if blob.md5 else []


def _version_headers(etag: str, modified_at: datetime) -> list[tuple[bytes, bytes]]:
    return [(b"etag", etag.encode()), (b"last-modified", format_datetime(modified_at, usegmt=True).encode())]


def _common_headers(request: Request, request_id: str) -> list[tuple[bytes, bytes]]:
    version = request.headers.get("x-ms-version", sas.SERVICE_VERSION)
    headers = [
        (b"x-ms-request-id", request_id.encode()),
        (b"x-ms-version", version.encode("latin-1", "replace")),
        (b"server", b"Example-Blob/1.0"),
    ]
    client_id = request.headers.get("x-ms-client-request-id", "")
    if client_id and len(client_id) <= 1024:
        headers.append((b"x-ms-client-request-id", client_id.encode("latin-1", "replace")))
    return headers


def _xml(body: bytes) -> Response:
    return Response(200, ((b"content-type", b"application/xml"),), body)


def _now() -> datetime:
    return datetime.now(UTC)
