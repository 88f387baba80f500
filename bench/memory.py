"""How much memory does the gateway take? `python -m bench.memory [--connections N]`.

Prints what an idle gateway holds (all its processes), what each idle connection adds after a call
was made on it, and how much a body of 1 GB in either direction makes it grow. Linux only.
"""

import argparse
import contextlib
import resource
import socket
import sys
import tempfile
import time
from pathlib import Path

from bench import peers
from bench.peers import Peer

BODY_BYTES = 2**30
PIECE = bytes(2**20)
SETTLE_SECONDS = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=10_000)
    connections = parser.parse_args().connections
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-bench-")))
        directory.chmod(0o755)
        backend = stack.enter_context(peers.backend(directory / "backend"))
        with (directory / "backend" / "data" / "1g").open("wb") as large:
            large.truncate(BODY_BYTES)
        served = peers.configuration(backend.port)
        gateway = stack.enter_context(
            peers.gateway_with(served, directory / "gateway", MAX_CONNECTIONS=str(connections + 100))
        )
        call(gateway, b"GET", b"/data/1k")
        time.sleep(SETTLE_SECONDS)
        print(f"idle: {megabytes(family_bytes(gateway))}, of these the worker {megabytes(gateway.resident_bytes())}")
        for name, method, target, body_bytes in (
            ("download", b"GET", b"/data/1g", 0),
            ("upload", b"POST", b"/upload", BODY_BYTES),
        ):
            before = gateway.resident_bytes()
            peak = call(gateway, method, target, body_bytes)
            print(f"{name} of 1 GB: grows by {megabytes(peak - before)} at most")
        hold_idle(stack, gateway, connections)
    return 0


def hold_idle(stack: contextlib.ExitStack, gateway: Peer, connections: int) -> None:
    """Open so many connections, make a call on each, and keep them."""
    before = gateway.resident_bytes()
    held = []
    for _ in range(connections):
        held.append(stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port))))
        held[-1].sendall(request(b"GET", b"/data/1k", 0))
        read_answer(held[-1])
    time.sleep(SETTLE_SECONDS)
    per_connection = (gateway.resident_bytes() - before) / connections
    print(f"{connections:,} idle connections: {per_connection / 1024:.1f} KB each")
    for connection in held[:: max(connections // 100, 1)]:
        connection.sendall(request(b"GET", b"/data/1k", 0))
        read_answer(connection)
    print("a call on each hundredth of them is answered")


def call(gateway: Peer, method: bytes, target: bytes, body_bytes: int = 0) -> int:
    """Make a call, and return the most memory that the worker held during it."""
    peak = gateway.resident_bytes()
    with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
        connection.sendall(request(method, target, body_bytes))
        for _ in range(body_bytes // len(PIECE)):
            connection.sendall(PIECE)
            peak = max(peak, gateway.resident_bytes())
        for _ in read_answer_parts(connection):
            peak = max(peak, gateway.resident_bytes())
    return peak


def request(method: bytes, target: bytes, body_bytes: int) -> bytes:
    length = b"Content-Length: %d\r\n" % body_bytes if body_bytes else b""
    fields = b"Host: bench\r\nOcp-Apim-Subscription-Key: %b\r\n%b" % (peers.KEY.encode(), length)
    return b"%b %b%b HTTP/1.1\r\n%b\r\n" % (method, peers.PREFIX.encode(), target, fields)


def read_answer(connection: socket.socket) -> None:
    for _ in read_answer_parts(connection):
        pass


def read_answer_parts(connection: socket.socket):
    """The parts of an answer as they come; a sized one, or a small chunked one."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(2**20)
        yield received
    head, _, body = received.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"bench: the gateway answered {head.decode()}")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), None)
    got = len(body)
    while got < length if length is not None else not body.endswith(b"0\r\n\r\n"):
        part = connection.recv(2**20)
        if not part:
            raise SystemExit("bench: the answer was cut off")
        got += len(part)
        body = body[-10:] + part if length is None else body
        yield part


def family_bytes(gateway: Peer) -> int:
    """Resident memory of the worker, and of the gateway's process that started it."""
    parent = int(Path(f"/proc/{gateway.pid}/stat").read_text().rpartition(")")[2].split()[1])
    arguments = Path(f"/proc/{parent}/cmdline").read_bytes().split(b"\0")
    master = Peer("master", 0, parent).resident_bytes() if b"gateway" in arguments else 0
    return gateway.resident_bytes() + master


def megabytes(count: int) -> str:
    return f"{count / 2**20:.1f} MB"


if __name__ == "__main__":
    sys.exit(main())
