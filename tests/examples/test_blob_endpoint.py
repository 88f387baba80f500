"""The demo's blob storage, as the official client and hostile callers see it."""

import base64
import hashlib
import http.client
import os
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import urlsplit

import pytest
import requests
from azure.core import MatchConditions
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import (
    AccountSasPermissions,
    BlobBlock,
    BlobClient,
    BlobSasPermissions,
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    ContentSettings,
    ResourceTypes,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)

from examples.azureml.settings import EMULATOR_ACCOUNT, EMULATOR_KEY
from examples.azureml.storage.blob_reference import Account
from examples.azureml.storage.client import SharedKeyAuth

DATA = bytes(range(256)) * 64


@pytest.fixture
def blobs(azureml, container):
    with azureml.blobs() as client:
        yield client.get_container_client(container)


def code_of(error: pytest.ExceptionInfo[HttpResponseError]) -> tuple[int, str]:
    return error.value.status_code, error.value.error_code


# -- What the client does ----------------------------------------------------------------------


def test_a_blob_comes_back_with_its_properties(blobs):
    blob = blobs.get_blob_client("folder/a.bin")
    settings = ContentSettings("text/csv", content_language="en", cache_control="no-cache")
    written = blob.upload_blob(DATA, content_settings=settings, metadata={"origin": "here"})
    read = blob.download_blob()
    assert read.readall() == DATA
    assert read.properties.etag == written["etag"]
    assert read.properties.metadata == {"origin": "here"}
    assert read.properties.content_settings.content_type == "text/csv"
    assert read.properties.content_settings.cache_control == "no-cache"
    assert bytes(read.properties.content_settings.content_md5) == hashlib.md5(DATA).digest()
    assert blob.get_blob_properties().size == len(DATA)


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 50_000])
def test_a_blob_of_blocks_is_read_in_ranges(azureml, container, size):
    data = (DATA * 4)[:size]
    limits = {
        "max_single_put_size": 4096,
        "max_block_size": 4096,
        "max_single_get_size": 5000,
        "max_chunk_get_size": 3000,
    }
    with BlobServiceClient.from_connection_string(azureml.storage, **limits) as client:
        blob = client.get_blob_client(container, "a.bin")
        blob.upload_blob(data)
        assert blob.download_blob(max_concurrency=4).readall() == data
        if size > 10:
            assert blob.download_blob(offset=7, length=3).readall() == data[7:10]


@pytest.mark.parametrize(
    "name",
    [
        "a b.csv",
        "ü/日本.csv",
        "100%.csv",
        "a%20b",
        "a?b#c&d=e+f",
        "a//b",
        "/a",
        "a\\b",
        "~!$'()*,;:@",
    ],
)
def test_names_are_only_names(blobs, name):
    blobs.upload_blob(name, b"x")
    assert [blob.name for blob in blobs.list_blobs()] == [name]
    assert blobs.download_blob(name).readall() == b"x"
    blobs.delete_blob(name)


@pytest.mark.parametrize("path", ["../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fetc%2fpasswd"])
def test_dots_in_a_name_lead_nowhere(azureml, container, blobs, path):
    name = "../../etc/passwd"
    address = urlsplit(azureml.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=180)
    url = f"/{EMULATOR_ACCOUNT}/{container}/{path}?{blob_token(container, name, 'w')}"
    connection.request("PUT", url, body=b"x", headers={"x-ms-blob-type": "BlockBlob"})
    assert connection.getresponse().status == 201
    connection.close()
    assert [blob.name for blob in blobs.list_blobs()] == [name]


def test_blobs_are_listed_in_pages_by_prefix_and_by_folder(blobs):
    for name in ("a", "b/1", "b/2", "b/3", "c/1", "d"):
        blobs.upload_blob(name, b"x", metadata={"name": name.replace("/", "_")})
    assert [blob.name for blob in blobs.list_blobs("b/")] == ["b/1", "b/2", "b/3"]
    for size in (1, 2, 3, 10):
        pages = list(blobs.list_blobs(results_per_page=size).by_page())
        assert [blob.name for page in pages for blob in page] == ["a", "b/1", "b/2", "b/3", "c/1", "d"]
        folders = blobs.walk_blobs(results_per_page=size)
        assert sorted(item.name for item in folders) == ["a", "b/", "c/", "d"]
    assert [blob.metadata for blob in blobs.list_blobs("d", include=["metadata"])] == [{"name": "d"}]


def test_containers_are_created_listed_and_deleted(azureml, container):
    with azureml.blobs() as client:
        assert container in [item.name for item in client.list_containers(results_per_page=1)]
        assert client.get_container_client(container).exists()
        with pytest.raises(ResourceExistsError) as error:
            client.create_container(container)
        assert code_of(error) == (409, "ContainerAlreadyExists")
        assert not client.get_container_client("none-such").exists()


def test_a_deleted_container_takes_its_blobs_with_it(azureml):
    name = f"comes-and-goes-{os.urandom(6).hex()}"
    with azureml.blobs() as client:
        for _ in range(2):
            container = client.create_container(name)
            assert list(container.list_blobs()) == []
            container.upload_blob("a", DATA)
            container.get_blob_client("b").stage_block("MQ==", b"x")
            container.delete_container()


def test_uncommitted_blocks_are_no_blob_until_they_are_listed(blobs):
    blob = blobs.get_blob_client("a")
    blob.stage_block(block_id="1", data=b"one")
    blob.stage_block(block_id="2", data=b"two")
    assert not blob.exists()
    with pytest.raises(HttpResponseError) as error:
        blob.commit_block_list([BlobBlock("1"), BlobBlock("3")])
    assert code_of(error) == (400, "InvalidBlockList")
    blob.commit_block_list([BlobBlock("2"), BlobBlock("1"), BlobBlock("2")])
    assert blob.download_blob().readall() == b"twoonetwo"


def test_conditions_guard_reads_and_writes(blobs):
    blob = blobs.get_blob_client("a")
    first = blob.upload_blob(b"one")["etag"]
    with pytest.raises(ResourceExistsError) as error:
        blob.upload_blob(b"two")
    assert code_of(error) == (409, "BlobAlreadyExists")
    blob.upload_blob(b"two", overwrite=True, etag=first, match_condition=MatchConditions.IfNotModified)
    with pytest.raises(ResourceModifiedError) as error:
        blob.upload_blob(b"three", overwrite=True, etag=first, match_condition=MatchConditions.IfNotModified)
    assert code_of(error) == (412, "ConditionNotMet")
    second = blob.get_blob_properties()
    with pytest.raises(HttpResponseError) as error:
        blob.download_blob(etag=second.etag, match_condition=MatchConditions.IfModified)
    assert error.value.status_code == 304
    with pytest.raises(HttpResponseError) as error:
        blob.download_blob(if_modified_since=second.last_modified)
    assert error.value.status_code == 304
    with pytest.raises(ResourceModifiedError):
        blob.delete_blob(if_unmodified_since=second.last_modified - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        pytest.param(lambda c: c.download_blob("none"), (404, "BlobNotFound"), id="get"),
        pytest.param(lambda c: c.get_blob_client("none").get_blob_properties(), (404, "BlobNotFound"), id="head"),
        pytest.param(lambda c: c.delete_blob("none"), (404, "BlobNotFound"), id="delete"),
        pytest.param(
            lambda c: c.get_blob_client("a").create_snapshot(), (400, "UnsupportedQueryParameter"), id="snapshot"
        ),
        pytest.param(lambda c: c.get_blob_client("a").create_append_blob(), (400, "InvalidHeaderValue"), id="append"),
        pytest.param(lambda c: c.upload_blob("a", b"x", tags={"a": "b"}), (400, "UnsupportedHeader"), id="tags"),
        pytest.param(lambda c: c.upload_blob("a" * 1025, b"x"), (400, "InvalidResourceName"), id="a long name"),
        pytest.param(lambda c: c.upload_blob("a\x01", b"x"), (400, "InvalidResourceName"), id="a control character"),
        pytest.param(
            lambda c: c.get_blob_client("a").start_copy_from_url(c.url + "/b"), (400, "UnsupportedHeader"), id="copy"
        ),
    ],
)
def test_what_is_not_there_or_not_known(blobs, act, expected):
    with pytest.raises(HttpResponseError) as error:
        act(blobs)
    assert code_of(error) == expected


def test_a_missing_container(azureml):
    with azureml.blobs() as client:
        missing = client.get_container_client("none-such")
        for act in (
            lambda: missing.upload_blob("a", b"x"),
            lambda: list(missing.list_blobs()),
            missing.delete_container,
        ):
            with pytest.raises(ResourceNotFoundError) as error:
                act()
            assert code_of(error) == (404, "ContainerNotFound")


def test_blobs_outlive_a_restart_and_leftovers_do_not(start_azureml):
    with start_azureml() as service, service.blobs() as client:
        client.create_container("kept").upload_blob("a", DATA)
    contents = service.folder / "azureml" / "blobs" / "contents"
    (contents / "leftover").write_bytes(b"x")
    with start_azureml() as service, service.blobs() as client:
        assert client.get_blob_client("kept", "a").download_blob().readall() == DATA
    assert not (contents / "leftover").exists()
    assert len(list(contents.iterdir())) == 2


def test_an_overwritten_or_deleted_blob_leaves_no_file(start_azureml):
    with start_azureml() as service, service.blobs() as client:
        contents = service.folder / "azureml" / "blobs" / "contents"
        before = len(list(contents.iterdir()))
        blob = client.create_container("tidy").get_blob_client("a")
        blob.stage_block("MQ==", b"x")
        for _ in range(3):
            blob.upload_blob(DATA, overwrite=True)
        assert len(list(contents.iterdir())) == before + 1
        blob.delete_blob()
        assert len(list(contents.iterdir())) == before


def test_the_storage_has_a_bound(start_azureml):
    settings = {"AZUREML_STORAGE_LIMIT_BYTES": str(2**20), "AZUREML_BATCH_LIMIT_BYTES": str(2**20)}
    with start_azureml(**settings) as service, service.blobs() as client:
        container = client.create_container("bound")
        container.upload_blob("a", bytes(600_000))
        for name, size in (("b", 600_000), ("c", 2**20 + 1)):
            with pytest.raises(HttpResponseError) as error:
                container.upload_blob(name, bytes(size))
            assert code_of(error) == (413, "RequestBodyTooLarge")
        container.upload_blob("a", bytes(400_000), overwrite=True)
        container.upload_blob("b", bytes(600_000))


# -- Who may do what ---------------------------------------------------------------------------


def hours(number: float) -> datetime:
    return datetime.now(UTC) + timedelta(hours=number)


def blob_token(container: str, blob: str, permissions: str = "r", **more) -> str:
    allowed = BlobSasPermissions.from_string(permissions)
    values = {"account_key": EMULATOR_KEY, "permission": allowed, "expiry": hours(1), **more}
    return generate_blob_sas(EMULATOR_ACCOUNT, container, blob, **values)


def test_a_wrong_account_key_is_refused(azureml, container):
    wrong = base64.b64encode(b"x" * 64).decode()
    with (
        BlobServiceClient(
            f"{azureml.url}/{EMULATOR_ACCOUNT}", {"account_name": EMULATOR_ACCOUNT, "account_key": wrong}
        ) as client,
        pytest.raises(ClientAuthenticationError) as error,
    ):
        client.get_blob_client(container, "a").upload_blob(b"x")
    assert code_of(error) == (403, "AuthenticationFailed")


def test_without_credentials_nothing_is_said(azureml, container):
    for path in (f"/{container}/a", "/none-such/a"):
        response = requests.get(f"{azureml.url}/{EMULATOR_ACCOUNT}{path}", timeout=180)
        assert (response.status_code, response.headers["x-ms-error-code"]) == (401, "NoAuthenticationInformation")


def test_a_blob_token_reads_that_blob_only(azureml, container, blobs):
    for name in ("a b", "c"):
        blobs.upload_blob(name, b"x")
    token = blob_token(container, "a b", content_type="text/plain", content_disposition="inline")
    with BlobClient(f"{azureml.url}/{EMULATOR_ACCOUNT}", container, "a b", credential=token) as blob:
        read = blob.download_blob()
        assert read.readall() == b"x"
        assert read.properties.content_settings.content_type == "text/plain"
        assert read.properties.content_settings.content_disposition == "inline"
        with pytest.raises(HttpResponseError) as error:
            blob.upload_blob(b"y", overwrite=True)
        assert code_of(error) == (403, "AuthorizationPermissionMismatch")
    with BlobClient(f"{azureml.url}/{EMULATOR_ACCOUNT}", container, "c", credential=token) as blob:
        with pytest.raises(ClientAuthenticationError) as error:
            blob.download_blob()
        assert code_of(error) == (403, "AuthenticationFailed")


def test_a_token_to_create_does_not_overwrite(azureml, container):
    token = blob_token(container, "a", "c")
    with BlobClient(f"{azureml.url}/{EMULATOR_ACCOUNT}", container, "a", credential=token) as blob:
        blob.upload_blob(b"x", overwrite=True)
        with pytest.raises(HttpResponseError) as error:
            blob.upload_blob(b"y", overwrite=True)
    assert code_of(error) == (403, "AuthorizationPermissionMismatch")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        pytest.param({"expiry": hours(-1)}, "AuthenticationFailed", id="expired"),
        pytest.param({"start": hours(1), "expiry": hours(2)}, "AuthenticationFailed", id="not yet valid"),
        pytest.param({"ip": "10.0.0.1"}, "AuthorizationSourceIPMismatch", id="another address"),
        pytest.param({"ip": "127.0.0.2-127.0.0.9"}, "AuthorizationSourceIPMismatch", id="outside the range"),
        pytest.param({"protocol": "https"}, "AuthorizationProtocolMismatch", id="https only"),
        pytest.param({"policy_id": "a"}, "AuthenticationFailed", id="a stored policy"),
        pytest.param({"ip": "127.0.0.0-127.0.0.9"}, None, id="inside the range"),
        pytest.param({"start": hours(0.1)}, None, id="a clock that is a little ahead"),
        pytest.param({"encryption_scope": "a"}, None, id="with an encryption scope"),
    ],
)
def test_the_restrictions_of_a_token(azureml, container, blobs, more, code):
    blobs.upload_blob("a", b"x")
    response = requests.get(f"{blobs.url}/a?{blob_token(container, 'a', **more)}", timeout=180)
    assert response.headers.get("x-ms-error-code") == code


def test_a_changed_token_is_refused(blobs, container):
    blobs.upload_blob("a", b"x")
    token = blob_token(container, "a")
    for old, new in (("sp=r", "sp=rw"), ("se=20", "se=30"), ("sr=b", "sr=c"), ("sig=", "sig=A"), ("sv=20", "sv=19")):
        assert old in token
        response = requests.get(f"{blobs.url}/a?{token.replace(old, new)}", timeout=180)
        assert response.headers["x-ms-error-code"] == "AuthenticationFailed"


def test_a_container_token_lists_and_writes_but_does_not_manage(azureml, container):
    allowed = ContainerSasPermissions.from_string("rwdl")
    token = generate_container_sas(
        EMULATOR_ACCOUNT, container, account_key=EMULATOR_KEY, permission=allowed, expiry=hours(1)
    )
    with ContainerClient(f"{azureml.url}/{EMULATOR_ACCOUNT}", container, credential=token) as client:
        client.upload_blob("a", b"x")
        assert [blob.name for blob in client.list_blobs()] == ["a"]
        with pytest.raises(HttpResponseError) as error:
            client.delete_container()
        assert code_of(error) == (403, "AuthorizationResourceTypeMismatch")


def test_an_account_token_is_bound_to_kinds_of_resources(azureml, container):
    types = ResourceTypes(object=True)
    token = generate_account_sas(
        EMULATOR_ACCOUNT, EMULATOR_KEY, types, AccountSasPermissions(write=True, list=True), hours(1)
    )
    with BlobServiceClient(f"{azureml.url}/{EMULATOR_ACCOUNT}", credential=token) as client:
        client.get_blob_client(container, "a").upload_blob(b"x")
        with pytest.raises(HttpResponseError) as error:
            list(client.list_containers())
    assert code_of(error) == (403, "AuthorizationResourceTypeMismatch")


# -- Hostile and broken requests ---------------------------------------------------------------


def signed(azureml, method: str, path: str, *, account: str = EMULATOR_ACCOUNT, **arguments) -> requests.Response:
    headers = {"x-ms-version": "2020-12-06", "x-ms-blob-type": "BlockBlob", **arguments.pop("headers", {})}
    url = f"{azureml.url}/{EMULATOR_ACCOUNT}{path}"
    auth = SharedKeyAuth(Account(url, account, EMULATOR_KEY))
    headers = {name: value for name, value in headers.items() if value is not None}
    return requests.request(method, url, headers=headers, auth=auth, timeout=180, **arguments)


@pytest.mark.parametrize(
    ("method", "path", "arguments", "code"),
    [
        pytest.param("PUT", "/{c}/a", {"headers": {"Content-MD5": "AAAA"}, "data": b"x"}, "Md5Mismatch", id="MD5"),
        pytest.param("PUT", "/{c}/a", {"data": iter([b"x"])}, "MissingContentLengthHeader", id="chunked"),
        pytest.param("PUT", "/{c}/a?comp=block&blockid=!", {"data": b"x"}, "InvalidBlockId", id="block id"),
        pytest.param("PUT", "/{c}/a?comp=blocklist", {"data": b"<a"}, "InvalidXmlDocument", id="no XML"),
        pytest.param(
            "PUT",
            "/{c}/a?comp=blocklist",
            {"data": b'<!DOCTYPE a [<!ENTITY b "c">]><BlockList>&b;</BlockList>'},
            "InvalidXmlDocument",
            id="XML entities",
        ),
        pytest.param("PUT", "/{c}/a?comp=blocklist", {"data": b"<Other/>"}, "InvalidBlockList", id="another document"),
        pytest.param(
            "PUT", "/{c}/a", {"headers": {"x-ms-lease-id": "a"}}, "LeaseNotPresentWithBlobOperation", id="lease"
        ),
        pytest.param("PUT", "/{c}/a", {"headers": {"x-ms-version": None}}, "MissingRequiredHeader", id="no version"),
        pytest.param("PUT", "/{c}/a", {"account": "other"}, "AuthenticationFailed", id="another account"),
        pytest.param("PUT", "/UPPER/a", {}, "InvalidResourceName", id="container name"),
        pytest.param("PUT", "/{c}/%ff", {}, "InvalidUri", id="no UTF-8"),
        pytest.param("GET", "/{c}", {}, "InvalidQueryParameterValue", id="no restype"),
        pytest.param(
            "GET", "/{c}?restype=container&comp=list&maxresults=x", {}, "InvalidQueryParameterValue", id="size"
        ),
        pytest.param(
            "GET", "/{c}?restype=container&comp=list&marker=%2b", {}, "InvalidQueryParameterValue", id="marker"
        ),
        pytest.param("POST", "/{c}/a", {}, "UnsupportedHttpVerb", id="method"),
        pytest.param("GET", "/?comp=properties", {}, "UnsupportedQueryParameter", id="service properties"),
    ],
)
def test_bad_requests(azureml, container, method, path, arguments, code):
    response = signed(azureml, method, path.replace("{c}", container), **arguments)
    assert response.headers["x-ms-error-code"] == code
    assert f"<Code>{code}</Code>" in response.text
    assert EMULATOR_KEY not in response.text


@pytest.mark.parametrize(
    ("field", "status", "content"),
    [
        ("bytes=0-3", 206, b"0123"),
        ("bytes=8-", 206, b"89"),
        ("bytes=8-100", 206, b"89"),
        ("bytes=10-", 416, None),
        ("bytes=3-1", 416, None),
        ("bytes=-3", 200, b"0123456789"),
        ("bytes=0-1,3-4", 200, b"0123456789"),
        ("lines=0-1", 200, b"0123456789"),
    ],
)
def test_ranges(azureml, container, blobs, field, status, content):
    blobs.upload_blob("a", b"0123456789")
    response = signed(azureml, "GET", f"/{container}/a", headers={"Range": field})
    assert response.status_code == status
    assert content is None or response.content == content


def test_an_old_date_is_refused(azureml, container):
    old = format_datetime(hours(-1), usegmt=True)
    address = urlsplit(azureml.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=180)
    headers = {"x-ms-date": old, "x-ms-version": "2020-12-06", "Authorization": f"SharedKey {EMULATOR_ACCOUNT}:AAAA"}
    connection.request("GET", f"/{EMULATOR_ACCOUNT}/{container}/a", headers=headers)
    response = connection.getresponse()
    assert response.getheader("x-ms-error-code") == "AuthenticationFailed"
    assert b"15 minutes" in response.read()
    connection.close()


def test_a_body_that_breaks_off_makes_no_blob(azureml, container, blobs):
    url = f"{blobs.url}/a?{blob_token(container, 'a', 'w')}"
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=180)
    connection.putrequest("PUT", f"{address.path}?{address.query}")
    connection.putheader("x-ms-blob-type", "BlockBlob")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b"only this")
    connection.close()
    assert not blobs.get_blob_client("a").exists()
