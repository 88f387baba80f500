"""The XML answers of List Containers and List Blobs (Azure Storage REST API)."""

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.utils import format_datetime
from xml.etree import ElementTree

from examples.azureml.storage.errors import StorageError
from examples.azureml.storage.store import Blob, BlobStore, Container

MAX_RESULTS = 5000
# Greater than each name that begins with what stands before it.
_LAST = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class ListQuery:
    prefix: str
    after: str
    delimiter: str
    limit: int
    with_metadata: bool


def read_list_query(query: Mapping[str, str]) -> ListQuery:
    """Raises StorageError."""
    try:
        limit = int(query.get("maxresults") or MAX_RESULTS)
        after = base64.urlsafe_b64decode(query.get("marker", "")).decode()
    except ValueError as error:
        raise StorageError("InvalidQueryParameterValue", "maxresults or marker") from error
    if limit < 1:
        raise StorageError("InvalidQueryParameterValue", "maxresults")
    return ListQuery(
        prefix=query.get("prefix", ""),
        after=after,
        delimiter=query.get("delimiter", ""),
        limit=min(limit, MAX_RESULTS),
        with_metadata="metadata" in query.get("include", "").split(","),
    )


def list_containers(store: BlobStore, query: ListQuery, *, endpoint: str) -> bytes:
    containers = store.containers(prefix=query.prefix, after=query.after, limit=query.limit + 1)
    root = _root(query, endpoint)
    parent = ElementTree.SubElement(root, "Containers")
    for container in containers[: query.limit]:
        _add_container(parent, container)
    _add_next_marker(root, containers[query.limit - 1].name if len(containers) > query.limit else "")
    return _document(root)


def list_blobs(store: BlobStore, container: str, query: ListQuery, *, endpoint: str) -> bytes:
    root = _root(query, endpoint)
    root.set("ContainerName", container)
    parent = ElementTree.SubElement(root, "Blobs")
    entries = _entries(
        lambda after: store.blobs(container, prefix=query.prefix, after=after, limit=query.limit + 1), query
    )
    for entry in entries[: query.limit]:
        if isinstance(entry, Blob):
            _add_blob(parent, entry, with_metadata=query.with_metadata)
        else:
            ElementTree.SubElement(ElementTree.SubElement(parent, "BlobPrefix"), "Name").text = entry
    next_marker = ""
    if len(entries) > query.limit:
        last = entries[query.limit - 1]
        next_marker = last.name if isinstance(last, Blob) else last + _LAST
    _add_next_marker(root, next_marker)
    return _document(root)


def _entries(page_after: Callable[[str], list[Blob]], query: ListQuery) -> list[Blob | str]:
    """Up to one more than the limit: blobs, and (with a delimiter) the folders that stand for the blobs in them."""
    if not query.delimiter:
        return list(page_after(query.after))
    entries: list[Blob | str] = []
    after = query.after
    while len(entries) <= query.limit and (page := page_after(after)):
        for blob in page:
            head, delimiter, _ = blob.name[len(query.prefix) :].partition(query.delimiter)
            if delimiter:
                folder = query.prefix + head + delimiter
                entries.append(folder)
                after = folder + _LAST
                break
            entries.append(blob)
            after = blob.name
    return entries


def _root(query: ListQuery, endpoint: str) -> ElementTree.Element:
    root = ElementTree.Element("EnumerationResults", ServiceEndpoint=f"{endpoint}/")
    ElementTree.SubElement(root, "Prefix").text = query.prefix
    ElementTree.SubElement(root, "MaxResults").text = str(query.limit)
    if query.delimiter:
        ElementTree.SubElement(root, "Delimiter").text = query.delimiter
    return root


def _add_container(parent: ElementTree.Element, container: Container) -> None:
    element = ElementTree.SubElement(parent, "Container")
    ElementTree.SubElement(element, "Name").text = container.name
    _add_properties(
        element,
        [
            ("Last-Modified", format_datetime(container.modified_at, usegmt=True)),
            ("Etag", container.etag.strip('"')),
            ("LeaseStatus", "unlocked"),
            ("LeaseState", "available"),
        ],
    )


def _add_blob(parent: ElementTree.Element, blob: Blob, *, with_metadata: bool) -> None:
    element = ElementTree.SubElement(parent, "Blob")
    ElementTree.SubElement(element, "Name").text = blob.name
    _add_properties(
        element,
        [
            ("Creation-Time", format_datetime(blob.created_at, usegmt=True)),
            ("Last-Modified", format_datetime(blob.modified_at, usegmt=True)),
            ("Etag", blob.etag.strip('"')),
            ("Content-Length", str(blob.size)),
            *((name.title(), value) for name, value in blob.properties.items() if not name.startswith("x-ms-meta-")),
            ("Content-MD5", base64.b64encode(blob.md5).decode() if blob.md5 else ""),
            ("BlobType", "BlockBlob"),
            ("LeaseStatus", "unlocked"),
            ("LeaseState", "available"),
        ],
    )
    if with_metadata:
        metadata = ElementTree.SubElement(element, "Metadata")
        for name, value in blob.properties.items():
            if name.startswith("x-ms-meta-"):
                ElementTree.SubElement(metadata, name.removeprefix("x-ms-meta-")).text = value


def _add_properties(element: ElementTree.Element, values: Iterable[tuple[str, str]]) -> None:
    properties = ElementTree.SubElement(element, "Properties")
    for name, value in values:
        ElementTree.SubElement(properties, name).text = value


def _add_next_marker(root: ElementTree.Element, after: str) -> None:
    ElementTree.SubElement(root, "NextMarker").text = base64.urlsafe_b64encode(after.encode()).decode()


def _document(root: ElementTree.Element) -> bytes:
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document
