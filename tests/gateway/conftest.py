"""A real gateway process between a raw client and a raw backend."""

import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from gateway.configuration import key_digest, snapshot
from gateway.configuration.snapshot import API, Operation, Product, Quota, RateLimit, Snapshot, Subscription
from gateway.journal.parts import parts, read_records
from gateway.journal.record import CallRecord
from tests.gateway.raw import TIMEOUT_SECONDS, Backend, Client, Closed, TLSClient

KEY = b"K1"
ROOT = Path(__file__).resolve().parents[2]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def echo_snapshot(service_url: str, **others: str) -> Snapshot:
    """`echo` passes everything to the service URL, and each of `others` likewise under its own name.

    K1 opens all; K2 belongs to a product of two calls an hour, K3 to one with a quota of two.
    """
    urls = {"echo": service_url, **others}
    secret = key_digest.digest_secret(os.environ["KEY_ENCRYPTION_KEY"])
    apis = tuple(
        API(
            number,
            name,
            url,
            ("http", "https"),
            True,
            "Ocp-Apim-Subscription-Key",
            "subscription-key",
            None,
            tuple(Operation(100 * number + index, method, "/*") for index, method in enumerate(METHODS)),
        )
        for number, (name, url) in enumerate(urls.items(), 1)
    )
    ids = tuple(api.id for api in apis)
    return Snapshot(
        1,
        "test",
        "",
        apis,
        (Product(1, ids), Product(2, ids, RateLimit(2, 3600)), Product(3, ids, None, Quota(2, 3600))),
        tuple(
            Subscription(
                bytes([number]) * 16, 7, number, None, True, None, (key_digest.digest(secret, b"K%d" % number),)
            )
            for number in (1, 2, 3)
        ),
    )


def with_backends(*rows: snapshot.Backend, **fields: object) -> Snapshot:
    """An API of the name of each backend, whose service URL leads nowhere; `fields` are the APIs'."""
    base = echo_snapshot("http://127.0.0.1:9/", **{row.name: "http://127.0.0.1:9/" for row in rows})
    apis = [base.apis[0]]
    for row, api in zip(rows, base.apis[1:], strict=True):
        apis.append(msgspec.structs.replace(api, backend=row.id, **fields))
    return msgspec.structs.replace(base, apis=tuple(apis), backends=rows)


class Gateway:
    """A gateway with a data directory of its own. `process` is the master."""

    def __init__(
        self,
        directory: Path,
        configuration: Snapshot | None,
        program: str = "gateway",
        within: Sequence[str] = (),
        **settings: object,
    ) -> None:
        """`within` is a command that runs it somewhere else, such as in a network namespace."""
        self.directory = directory
        self.host = str(settings.get("GATEWAY_HOST", "127.0.0.1"))
        self.clients: list[Client] = []
        self.revision = 1
        self._settled_records = 0
        self.port = int(settings.get("GATEWAY_PORT") or free_port())
        self.tls_port = int(settings.get("GATEWAY_TLS_PORT") or 0)
        if configuration is not None:
            self.configure(configuration)
        environment = {
            **os.environ,
            "DATA_DIR": str(directory),
            "GATEWAY_PORT": str(self.port),
            "GATEWAY_MANAGEMENT_PORT": "0",
            **{name: str(value) for name, value in settings.items()},
        }
        self.log = directory / "log"
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*within, sys.executable, "-W", "error", "-m", program],
                cwd=ROOT,
                env=environment,
                stderr=log,
                stdout=log,
                start_new_session=True,
            )

    @property
    def workers(self) -> list[int]:
        """Process ids, in the order of their start."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return sorted(int(pid) for pid in children.split())

    @property
    def name(self) -> bytes:
        """What it calls itself in Via."""
        return (self.directory / "journal" / "gateway-name").read_bytes().strip() + b"-%d" % self.port

    def configure(self, configuration: Snapshot) -> None:
        snapshot.write(configuration, self.directory / "gateway" / "snapshot.msgpack")

    def reconfigure(self, configuration: Snapshot) -> None:
        """Take over another configuration, and wait until it is in use."""
        self.revision += 1
        self.configure(msgspec.structs.replace(configuration, revision=self.revision))
        self.wait_for_log(f"revision={self.revision}\n")

    def wait_until_it_listens(self) -> "Gateway":
        return self.wait_for_log(f"Gateway: http://{self.host}:{self.port}")

    def wait_for_log(self, text: str) -> "Gateway":
        def written() -> str:
            return self.log.read_bytes()[self._log_start :].decode()

        wait_for(lambda: text in written() or self.process.poll() is not None)
        assert text in written(), self.log.read_text()
        return self

    def connect(self, port: int | None = None) -> Client:
        self.clients.append(Client(port or self.port, self.host))
        return self.clients[-1]

    def connect_tls(self, server_name: str | None = None, context: ssl.SSLContext | None = None) -> TLSClient:
        self.clients.append(TLSClient(self.tls_port, server_name, context))
        return self.clients[-1]

    def hang_up(self) -> None:
        while self.clients:
            self.clients.pop().close()

    def settle(self) -> None:
        """Hang up, and wait until the calls that were under way have ended.

        The next test, or the same one run again, sees none of them, and none of the records so far.
        """
        self.hang_up()
        with contextlib.suppress(Closed, OSError):
            self.ask(b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n")
        self.hang_up()
        self._settled_records += len(self.records())

    def ask(self, request: bytes, method: str = "GET"):
        return self.connect().ask(request, method)

    def records(self) -> list[CallRecord]:
        """Those in its journal, without what was there when it settled."""
        found = [record for part in parts(self.directory / "journal") for record, _ in read_records(part.file)]
        return found[self._settled_records :]

    def resident_bytes(self) -> int:
        """Of its only worker."""
        (worker,) = self.workers
        status = Path(f"/proc/{worker}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024

    def record(self, url: bytes) -> CallRecord:
        """The one record of this URL, as soon as it is there."""

        def found() -> list[CallRecord]:
            return [record for record in self.records() if record.url == url]

        wait_for(found)
        (record,) = found()
        return record

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(TIMEOUT_SECONDS)

    def kill(self) -> None:
        """All processes at once, as a power failure would."""
        self.hang_up()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        assert "Traceback" not in self.log.read_text(), self.log.read_text()


def wait_for(condition: Callable[[], object], seconds: float = TIMEOUT_SECONDS) -> None:
    """Poll for something that another process is about to do."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not happen within {seconds} seconds"
        time.sleep(0.01)


@pytest.fixture(scope="session")
def session_backend() -> Iterator[Backend]:
    backend = Backend()
    yield backend
    backend.close()


@pytest.fixture
def backend(session_backend: Backend) -> Backend:
    """Answers 200 `ok`, unless the test wants otherwise; forgets what it was told before."""
    session_backend.start_afresh()
    return session_backend


@contextlib.contextmanager
def starting(tmp_path_factory: pytest.TempPathFactory, backend: Backend) -> Iterator[Callable[..., Gateway]]:
    """Gateways that end with the block. Idle ones are not free: there are many modules."""
    with contextlib.ExitStack() as started:

        def start(
            configuration: Snapshot | None = None,
            *,
            without_snapshot: bool = False,
            again: Gateway | None = None,
            **settings,
        ) -> Gateway:
            if again is not None:
                again.hang_up()
                settings["GATEWAY_PORT"] = again.port
            configuration = configuration or echo_snapshot(
                f"http://127.0.0.1:{backend.port}/base",
                refusing=f"http://127.0.0.1:{free_port()}/",
                unknown="http://no-such-host.invalid/",
            )
            directory = again.directory if again is not None else tmp_path_factory.mktemp("gateway")
            gateway = Gateway(directory, None if without_snapshot else configuration, **settings)
            started.callback(gateway.kill)
            return gateway.wait_until_it_listens()

        yield start


@pytest.fixture(scope="module")
def start_gateway(tmp_path_factory, session_backend: Backend) -> Iterator[Callable[..., Gateway]]:
    """`start_gateway(BODY_TIMEOUT_SECONDS=1)`: one more gateway in front of the backend.

    `again` is one that has ended: the new one has its data and its port.
    """
    with starting(tmp_path_factory, session_backend) as start:
        yield start


@pytest.fixture(scope="session")
def start_lasting_gateway(tmp_path_factory, session_backend: Backend) -> Iterator[Callable[..., Gateway]]:
    """For gateways that the tests of many modules share."""
    with starting(tmp_path_factory, session_backend) as start:
        yield start


@pytest.fixture(scope="session")
def session_gateway(start_lasting_gateway) -> Gateway:
    return start_lasting_gateway()


@pytest.fixture
def gateway(session_gateway: Gateway, backend: Backend) -> Iterator[Gateway]:
    yield session_gateway
    session_gateway.settle()


@pytest.fixture(scope="session")
def session_impatient(start_lasting_gateway) -> Gateway:
    # The backend is a thread of this process, which a busy machine lets wait before it answers.
    return start_lasting_gateway(
        HEAD_TIMEOUT_SECONDS=0.4,
        BODY_TIMEOUT_SECONDS=0.4,
        IDLE_TIMEOUT_SECONDS=0.4,
        BACKEND_TIMEOUT_SECONDS=2,
    )


@pytest.fixture
def impatient(session_impatient: Gateway, backend: Backend) -> Iterator[Gateway]:
    """A gateway with short time-outs."""
    yield session_impatient
    session_impatient.settle()


@pytest.fixture
def client(gateway: Gateway) -> Client:
    return gateway.connect()


@pytest.fixture(scope="session")
def session_configurable(start_lasting_gateway) -> Gateway:
    # Also how long a call may wait for another one's connection.
    return start_lasting_gateway(with_backends(), BACKEND_CONNECT_TIMEOUT_SECONDS=60)


@pytest.fixture
def start_with(session_configurable: Gateway, backend: Backend) -> Iterator[Callable[..., Gateway]]:
    """`start_with(Backend(...))`: a gateway with these backends, and no memory of others, nor of calls counted."""

    def start(*rows: snapshot.Backend, **fields: object) -> Gateway:
        session_configurable.reconfigure(with_backends())
        base = with_backends(*rows, **fields)
        subscriptions = tuple(msgspec.structs.replace(one, id=uuid4().bytes) for one in base.subscriptions)
        session_configurable.reconfigure(msgspec.structs.replace(base, subscriptions=subscriptions))
        return session_configurable

    yield start
    session_configurable.settle()
