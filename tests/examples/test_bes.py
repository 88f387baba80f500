"""The batch execution service over HTTP, with the service's own storage and with Azurite."""

import csv
import fcntl
import io
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from azure.storage.blob import BlobServiceClient

from examples.azureml.settings import EMULATOR_KEY, connection_string
from tests.examples.conftest import ROOT, AzureML, running
from tests.examples.test_rrs import VECTOR, error_of

AZURITE = "3.35.0"
CSV = b"id,Col2\r\n1,This is a good day\r\n2,\r\n"
OTHER_STORAGE = connection_string("http://127.0.0.1:1/devstoreaccount1", EMULATOR_KEY)


def installed_azurite() -> Path:
    """Azurite's program; tests that run side by side wait for the one that installs it."""
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    folder = build / f"azurite-{AZURITE}"
    give_up = pytest.fail if os.environ.get("CI") else pytest.skip
    with (build / "azurite.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return folder / "node_modules" / ".bin" / "azurite-blob"
        if not shutil.which("npm"):
            give_up("Azurite needs Node.js with npm, which is not installed")
        draft = build / "azurite-draft"
        shutil.rmtree(draft, ignore_errors=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(draft), f"azurite@{AZURITE}"]
        installed = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
        if installed.returncode:
            give_up(f"npm could not install azurite@{AZURITE}: {installed.stderr[-500:]}")
        draft.rename(folder)
        return folder / "node_modules" / ".bin" / "azurite-blob"


@pytest.fixture(scope="session")
def azurite(tmp_path_factory) -> Iterator[str]:
    """The connection string of a running Azurite; installed once, in build/."""
    program = installed_azurite()
    data = tmp_path_factory.mktemp("azurite")
    process = subprocess.Popen(
        [program, "--blobHost", "127.0.0.1", "--blobPort", "0", "--skipApiVersionCheck", "--location", str(data)],
        cwd=data,
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if found := re.search(r"successfully listen\w* (?:at|on) (http://127\.0\.0\.1:\d+)", line):
            break
    else:
        pytest.fail("Azurite did not start")
    yield connection_string(f"{found[1]}/devstoreaccount1", EMULATOR_KEY)
    process.terminate()
    process.communicate(timeout=180)


@pytest.fixture(scope="session")
def azureml_on_azurite(azurite, tmp_path_factory) -> Iterator[AzureML]:
    endpoint = re.search("BlobEndpoint=([^;]+)", azurite)[1]
    with running(tmp_path_factory.mktemp("azureml-on-azurite"), AZUREML_BLOB_ENDPOINTS=endpoint) as service:
        yield service


@pytest.fixture(params=["own storage", pytest.param("azurite", marks=pytest.mark.storage)])
def storage(request) -> Iterator[tuple[AzureML, str, str]]:
    """A web service, a connection string that it may use, and a container there."""
    if request.param == "azurite":
        service, connection = request.getfixturevalue("azureml_on_azurite"), request.getfixturevalue("azurite")
    else:
        service = request.getfixturevalue("azureml")
        connection = service.storage
    container = f"bes-{os.urandom(6).hex()}"
    with BlobServiceClient.from_connection_string(connection) as blobs:
        blobs.create_container(container)
    return service, connection, container


def upload(connection: str, container: str, name: str, data: bytes = CSV) -> dict[str, str]:
    """The reference of a new blob."""
    with BlobServiceClient.from_connection_string(connection) as blobs:
        blobs.get_blob_client(container, name).upload_blob(data)
    return {"ConnectionString": connection, "RelativeLocation": f"/{container}/{name}"}


def submit(service: AzureML, **body) -> str:
    response = service.call("POST", "/jobs", json={"GlobalParameters": {}, **body})
    assert response.status_code == 200, response.text
    return json.loads(response.text)


def start(service: AzureML, job: str) -> None:
    response = service.call("POST", f"/jobs/{job}/start")
    assert (response.status_code, response.content) == (204, b"")


def status_of(service: AzureML, job: str) -> dict:
    return service.call("GET", f"/jobs/{job}").json()


def ended(service: AzureML, job: str) -> dict:
    """The status of a job once it has ended."""
    while (status := status_of(service, job))["StatusCode"] in ("NotStarted", "Running"):
        pass
    return status


def fetch(status: dict) -> list[list[str]]:
    output = status["Results"]["output1"]
    assert output["ConnectionString"] is None
    response = requests.get(output["BaseLocation"] + output["RelativeLocation"] + output["SasBlobToken"], timeout=180)
    assert response.status_code == 200, response.text
    return list(csv.reader(io.StringIO(response.text)))


def test_a_job_from_submission_to_its_result(storage):
    service, connection, container = storage
    output = {"ConnectionString": connection, "RelativeLocation": f"{container}/deep er/output 1.csv"}
    job = submit(service, Input=upload(connection, container, "in put.csv"), Outputs={"output1": output})
    assert status_of(service, job)["StatusCode"] == "NotStarted"
    assert status_of(service, job)["Results"] is None
    start(service, job)
    status = ended(service, job)
    assert (status["StatusCode"], status["Details"]) == ("Finished", None)
    header, *rows = fetch(status)
    assert header == [f"Col2_HashingFeature.{index}" for index in range(8)]
    assert rows == [VECTOR, ["0"] * 8]


def test_the_result_is_what_the_official_client_reads(storage):
    service, connection, container = storage
    output = {"ConnectionString": connection, "RelativeLocation": f"{container}/out.csv"}
    job = submit(service, Inputs={"input1": upload(connection, container, "in.csv")}, Outputs={"output1": output})
    start(service, job)
    assert ended(service, job)["StatusCode"] == "Finished"
    with BlobServiceClient.from_connection_string(connection) as blobs:
        download = blobs.get_blob_client(container, "out.csv").download_blob()
        assert download.readall().splitlines()[1] == b"1,1,2,2,0,2,0,1"
        assert download.properties.content_settings.content_type == "text/csv"


def test_a_missing_blob_fails_the_job_and_says_which(storage):
    service, connection, container = storage
    output = {"ConnectionString": connection, "RelativeLocation": f"{container}/out.csv"}
    missing = {"ConnectionString": connection, "RelativeLocation": f"{container}/none.csv"}
    job = submit(service, Input=missing, Outputs={"output1": output})
    start(service, job)
    status = ended(service, job)
    assert status["StatusCode"] == "Failed"
    assert status["Results"] is None
    assert f"{container}/none.csv" in status["Details"]
    assert "BlobNotFound" in status["Details"]


def test_without_outputs_the_result_lies_in_the_services_storage(azureml, container):
    job = submit(azureml, Input=upload(azureml.storage, container, "in.csv"))
    start(azureml, job)
    assert fetch(ended(azureml, job))[1] == VECTOR


def test_a_finished_result_is_an_input_by_its_three_parts(azureml, container):
    first = submit(azureml, Input=upload(azureml.storage, container, "in.csv"))
    start(azureml, first)
    result = ended(azureml, first)["Results"]["output1"]
    second = submit(azureml, Input=result)
    start(azureml, second)
    # The blob was found and read; it has no column Col2.
    assert "InputMismatchError" in ended(azureml, second)["Details"]


@pytest.mark.parametrize(
    ("data", "details"),
    [
        pytest.param(b"", "InputMismatchError", id="empty"),
        pytest.param(b"text\r\na\r\n", "the column Col2 once; it has: text", id="another column"),
        pytest.param(b"Col2,Col2\r\na,b\r\n", "InputMismatchError", id="the column twice"),
        pytest.param(b"Col2\r\na,b\r\n", "row 1 has 2 values for 1 columns", id="a long row"),
        pytest.param(b"Col2\r\n\xff\r\n", "not in UTF-8", id="Latin-1"),
        pytest.param(b'Col2\r\n"a"b\r\n', "line 2", id="bad quotes"),
        pytest.param(b"Col2\r\n" + b"a" * 2**21, "field larger than field limit", id="a huge field"),
    ],
)
def test_inputs_that_cannot_be_scored(azureml, container, data, details):
    job = submit(azureml, Input=upload(azureml.storage, container, "in.csv", data))
    start(azureml, job)
    status = ended(azureml, job)
    assert status["StatusCode"] == "Failed"
    assert details in status["Details"]


def reference(connection: str, location: str = "c-1/in.csv") -> dict[str, str]:
    return {"ConnectionString": connection, "RelativeLocation": location}


GOOD = reference("{storage}")
NO_KEY = "AccountName=a1b2;BlobEndpoint=http://127.0.0.1:1/a"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param({}, "BatchJobInputsNotSpecified", id="no input"),
        pytest.param({"Inputs": {}}, "BatchJobInputsNotSpecified", id="empty inputs"),
        pytest.param({"Input": GOOD, "Inputs": {"input1": GOOD}}, "DuplicateInputInBatchCall", id="both"),
        pytest.param({"Inputs": {"x": GOOD}}, "InvalidInputNames", id="another input"),
        pytest.param({"Inputs": {"input1": GOOD, "x": GOOD}}, "BatchJobInputsTooManySpecified", id="two inputs"),
        pytest.param({"Inputs": [GOOD]}, "RequestBodyInvalid", id="a list of inputs"),
        pytest.param({"Input": {"RelativeLocation": "c-1/a"}}, "MissingInputBlobInformation", id="no connection"),
        pytest.param({"Input": {"ConnectionString": 1}}, "RequestBodyInvalid", id="a number"),
        pytest.param({"Input": reference("nonsense")}, "InvalidBlobConnectionString", id="no setting"),
        pytest.param({"Input": reference(NO_KEY)}, "InvalidBlobConnectionString", id="no key"),
        pytest.param({"Input": reference(NO_KEY + ";AccountKey=?")}, "InvalidBlobConnectionString", id="a bad key"),
        pytest.param({"Input": reference(OTHER_STORAGE)}, "InvalidBlobConnectionString", id="a foreign endpoint"),
        pytest.param({"Input": reference("{storage}", "/")}, "ContainerIsEmpty", id="no container"),
        pytest.param({"Input": reference("{storage}", "../a")}, "ContainerSegmentInvalid", id="a bad container"),
        pytest.param({"Input": reference("{storage}", "c-1/")}, "InputBlobRelativeLocationInvalid", id="no blob"),
        pytest.param({"Input": reference("{storage}", "c-1/../../a")}, "InputBlobRelativeLocationInvalid", id="dots"),
        pytest.param({"Input": reference("a=" + "b" * 9000)}, "RequestBodyInvalid", id="a long connection string"),
        pytest.param({"Input": GOOD, "Outputs": {"x": GOOD}}, "InvalidOutputOverrideName", id="another output"),
        pytest.param({"Input": GOOD, "Outputs": {"output1": None}}, "MissingOutputOverrideSpecification", id="null"),
        pytest.param(
            {"Input": GOOD, "Outputs": {"output1": reference("{storage}", "c-1/a.exe")}},
            "InvalidBlobExtension",
            id="another extension",
        ),
        pytest.param({"Input": GOOD, "GlobalParameters": {"a": "b"}}, "UnexpectedParameter", id="a parameter"),
    ],
)
def test_submissions_that_are_refused(azureml, body, code):
    text = json.dumps(body).replace("{storage}", azureml.storage)
    response = azureml.call("POST", "/jobs", data=text.encode())
    assert response.status_code == 400
    assert error_of(response)[1] == code
    assert EMULATOR_KEY not in response.text


@pytest.mark.parametrize("path", ["/jobs/{id}", "/jobs/{id}/start"])
def test_an_unknown_job(azureml, path):
    method = "POST" if path.endswith("start") else "GET"
    response = azureml.call(method, path.replace("{id}", "0" * 32))
    assert (response.status_code, error_of(response)[:2]) == (404, ("NotFound", "JobNotFound"))


def test_a_job_that_was_not_started_can_be_cancelled_and_not_started_then(azureml, container):
    job = submit(azureml, Input=upload(azureml.storage, container, "in.csv"))
    assert azureml.call("DELETE", f"/jobs/{job}").status_code == 204
    assert status_of(azureml, job)["StatusCode"] == "Cancelled"
    response = azureml.call("POST", f"/jobs/{job}/start")
    assert error_of(response)[:2] == ("InvalidOperation", "CannotStartJob")
    assert "Cancelled" in response.text


def test_deleting_a_finished_job_leaves_its_result(azureml, container):
    job = submit(azureml, Input=upload(azureml.storage, container, "in.csv"))
    start(azureml, job)
    before = ended(azureml, job)
    assert azureml.call("DELETE", f"/jobs/{job}").status_code == 204
    assert status_of(azureml, job) == before


def test_there_is_a_bound_to_unfinished_jobs(start_azureml):
    with start_azureml(AZUREML_MAX_UNFINISHED_JOBS="2") as service:
        sample = reference(service.storage, "azureml-samples/input1.csv")
        first, _ = submit(service, Input=sample), submit(service, Input=sample)
        refused = service.call("POST", "/jobs", json={"Input": sample})
        assert (refused.status_code, error_of(refused)[1]) == (503, "TooManyConcurrentRequests")
        service.call("DELETE", f"/jobs/{first}")
        submit(service, Input=sample)


def test_inputs_and_outputs_have_bounds(start_azureml):
    with start_azureml(AZUREML_BATCH_LIMIT_BYTES="16384", AZUREML_HASHING_BITSIZE="10") as service:
        with service.blobs() as blobs:
            blobs.create_container("bounds")
        job = submit(service, Input=upload(service.storage, "bounds", "in.csv", b"Col2\n" + b"a\n" * 1000))
        start(service, job)
        assert "OutOfMemoryLimit" in ended(service, job)["Details"]


class SlowEndpoint(ThreadingHTTPServer):
    """A blob endpoint that holds its answer to a GET back until it is released."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), SlowHandler)
        self.asked, self.released = threading.Event(), threading.Event()
        self.endpoint = f"http://127.0.0.1:{self.server_port}/slow"


class SlowHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.set()
        self.server.released.wait(180)
        self.send_response(200)
        self.send_header("Content-Length", str(len(CSV)))
        self.end_headers()
        self.wfile.write(CSV)

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def slow() -> Iterator[SlowEndpoint]:
    with SlowEndpoint() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.released.set()
        server.shutdown()


def test_a_running_job_can_be_cancelled_and_cannot_be_started_twice(start_azureml, slow):
    with start_azureml(AZUREML_BLOB_ENDPOINTS=slow.endpoint) as service:
        job = submit(service, Input=reference(connection_string(slow.endpoint, EMULATOR_KEY)))
        start(service, job)
        assert slow.asked.wait(180)
        assert status_of(service, job)["StatusCode"] == "Running"
        assert error_of(service.call("POST", f"/jobs/{job}/start"))[1] == "CannotStartJob"
        assert service.call("DELETE", f"/jobs/{job}").status_code == 204
        slow.released.set()
        assert ended(service, job)["StatusCode"] == "Cancelled"


def test_a_running_job_outlives_a_restart(start_azureml, slow):
    settings = {"AZUREML_BLOB_ENDPOINTS": slow.endpoint}
    with start_azureml(**settings) as service:
        job = submit(service, Input=reference(connection_string(slow.endpoint, EMULATOR_KEY)))
        waiting = submit(service, Input=reference(connection_string(slow.endpoint, EMULATOR_KEY)))
        start(service, job)
        assert slow.asked.wait(180)
    slow.released.set()
    with start_azureml(**settings) as service:
        assert fetch(ended(service, job))[1] == VECTOR
        assert status_of(service, waiting)["StatusCode"] == "NotStarted"


def test_secrets_are_erased_when_a_job_ends(start_azureml):
    with start_azureml() as service:
        job = submit(service, Input=reference(service.storage, "azureml-samples/input1.csv"))
        file = service.folder / "azureml" / "jobs.sqlite3"
        assert file.stat().st_mode & 0o077 == 0
        start(service, job)
        assert ended(service, job)["StatusCode"] == "Finished"
    assert EMULATOR_KEY.encode() not in file.read_bytes()
