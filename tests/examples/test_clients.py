"""The two client programs, as a user runs them. The gateway's place is taken by the web service itself."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from examples.azureml.settings import EMULATOR_KEY, SERVICE_ID, WORKSPACE_ID
from examples.clients import bes, rrs
from tests.examples.conftest import API_KEY, ROOT, AzureML

VECTOR = "1 1 2 2 0 2 0 1"


def run(program: str, gateway: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "examples" / "clients" / program, "--gateway", gateway, *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def call(program: str, service: AzureML, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    keys = ("--suffix", "", "--subscription-key", "s1", "--api-key", API_KEY)
    return run(program, service.url, *keys, *arguments, **environment)


def batch(service: AzureML, source: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    target = source.with_name("out.csv")
    return call(
        "bes.py", service, "--input", str(source), "--output", str(target), "--storage", service.storage,
        "--poll", "0.05", *arguments,
    )  # fmt: skip


def test_both_clients_know_the_example_service():
    for client in (rrs, bes):
        assert (client.DEMO_WORKSPACE, client.DEMO_SERVICE) == (WORKSPACE_ID, SERVICE_ID)
    assert EMULATOR_KEY in bes.DEMO_STORAGE


def test_rrs_prints_the_vector(azureml):
    finished = call("rrs.py", azureml, "--text", "This is a good day")
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, f"{VECTOR}\n", "")


def test_rrs_takes_keys_from_the_environment_and_several_texts(azureml):
    texts = ("--text", "This is a good day", "--text", "")
    finished = run("rrs.py", azureml.url, "--suffix", "", *texts, AZUREML_API_KEY=API_KEY)
    assert finished.stdout.splitlines() == [VECTOR, "0 0 0 0 0 0 0 0"]


def test_rrs_prints_the_services_error(azureml):
    finished = call("rrs.py", azureml, "--text", "a", "--column", "none")
    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr.splitlines() == [
        "HTTP 400 Bad Request",
        "BadUserArgument: Invalid user argument provided.",
        "  InputMismatchError (input1): Input data does not match input port schema.",
    ]


def test_a_gateway_that_is_not_there():
    finished = run("rrs.py", "http://127.0.0.1:1", "--text", "a")
    assert finished.returncode == 1
    assert "The call failed" in finished.stderr


def test_bes_writes_the_result_and_tells_each_step(azureml, tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("Col2\nThis is a good day\n")
    finished = batch(azureml, source, "--container", f"clients-{os.urandom(4).hex()}")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert (tmp_path / "out.csv").read_text().splitlines()[1] == VECTOR.replace(" ", ",")
    steps = [line.split()[0] for line in finished.stdout.splitlines() if not line.startswith("The job is")]
    assert steps == ["Uploading", "Submitted", "Started", "Downloading", "Wrote"]
    assert "The job is Finished" in finished.stdout
    assert EMULATOR_KEY not in finished.stdout


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        pytest.param("text\na\n", (), "The job is Failed. InputMismatchError", id="a failed job"),
        pytest.param("", (), "The job is Failed. InputMismatchError", id="an empty file"),
        pytest.param("Col2\n", ("--api-key", "wrong"), "ScoreRequestUnauthorized", id="a wrong key"),
        pytest.param(
            "Col2\n", ("--storage", "AccountName=a"), "neither AccountName and AccountKey", id="no storage key"
        ),
        pytest.param("Col2\n", ("--input", "/none.csv"), "/none.csv: No such file", id="no input"),
        pytest.param("Col2\n", ("--output", "/none/out.csv"), "/none/out.csv: No such file", id="no place for output"),
    ],
)
def test_bes_ends_with_the_reason(azureml, tmp_path, content, arguments, message):
    source = tmp_path / "in.csv"
    source.write_text(content)
    finished = batch(azureml, source, *arguments)
    assert finished.returncode == 1
    assert message in finished.stderr
    assert "Traceback" not in finished.stderr


class Gateway(BaseHTTPRequestHandler):
    """Answers each call from a list of answers, and notes its path and subscription key."""

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.rfile.read(length)
        self.server.calls.append((self.command, self.path, self.headers["Ocp-Apim-Subscription-Key"]))
        status, headers, body = self.server.answers.pop(0)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_DELETE = do_PUT = do_GET

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def gateway() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as server:
        server.calls, server.answers = [], []
        server.url = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_the_gateways_own_error_is_told(gateway):
    gateway.answers = [(401, {}, b'{ "statusCode": 401, "message": "Access denied due to missing subscription key." }')]
    finished = run("rrs.py", gateway.url, "--text", "a")
    assert finished.returncode == 1
    assert finished.stderr.splitlines() == ["HTTP 401 Unauthorized", "Access denied due to missing subscription key."]


def test_the_call_goes_to_the_apis_suffix_with_the_subscription_key(gateway):
    gateway.answers = [(200, {}, b"no JSON")]
    run("rrs.py", gateway.url + "/", "--subscription-key", "s1", "--text", "a")
    path = f"/azureml-demo/workspaces/{WORKSPACE_ID}/services/{SERVICE_ID}/execute?api-version=2.0&details=true"
    assert gateway.calls == [("POST", path, "s1")]


def test_bes_waits_where_the_gateway_limits_the_rate_and_cancels_when_its_time_is_over(gateway, azureml, tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("Col2\n")
    limited = (429, {"Retry-After": "0"}, b'{ "statusCode": 429, "message": "Rate limit is exceeded." }')
    running = (200, {}, json.dumps({"StatusCode": 1, "Results": None, "Details": None}).encode())
    gateway.answers = [limited, (200, {}, b'"job1"'), (204, {}, b""), limited, running, (204, {}, b"")]
    finished = run(
        "bes.py", gateway.url, "--input", str(source), "--output", str(tmp_path / "out.csv"),
        "--storage", azureml.storage, "--timeout", "0",
    )  # fmt: skip
    assert [method for method, *_ in gateway.calls] == ["POST", "POST", "POST", "GET", "GET", "DELETE"]
    assert "did not finish within 0 seconds" in finished.stderr
    assert finished.stdout.count("rate limit") == 2
