"""Both ends of the wire as plain sockets: no HTTP library, because they repair what they read."""

import contextlib
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

# Nothing takes so long, even on a machine that is busy with other things.
TIMEOUT_SECONDS = 60.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Response:
    status: int
    head: bytes
    body: bytes

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        lines = self.head.split(b"\r\n")[1:-2]
        return [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)]

    def all(self, name: str) -> list[bytes]:
        return [value for key, value in self.headers if key.lower() == name.lower().encode()]

    def header(self, name: str) -> bytes | None:
        values = self.all(name)
        return values[0] if values else None


class Closed(Exception):
    """The other side closed before what was awaited came; `got` is what came."""

    def __init__(self, got: bytes) -> None:
        super().__init__(got[:200])
        self.got = got


class Wire:
    """One end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(TIMEOUT_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        self.buffer = b""
        self.trailers: list[bytes] = []

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self) -> bytes:
        try:
            return self.socket.recv(2**16)
        except ConnectionResetError:
            return b""

    def read(self, size: int) -> bytes:
        while len(self.buffer) < size:
            self._more()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def read_until(self, end: bytes) -> bytes:
        while end not in self.buffer:
            self._more()
        cut = self.buffer.index(end) + len(end)
        data, self.buffer = self.buffer[:cut], self.buffer[cut:]
        return data

    def read_chunked(self) -> bytes:
        """Body without its coding; strict about each byte of it. `trailers` are the lines behind it."""
        body = b""
        while size := int(self.read_until(b"\r\n")[:-2], 16):
            body += self.read(size)
            assert self.read(2) == b"\r\n"
        self.trailers = []
        while line := self.read_until(b"\r\n")[:-2]:
            self.trailers.append(line)
        return body

    def read_to_end(self) -> bytes:
        with contextlib.suppress(Closed):
            while True:
                self._more()
        data, self.buffer = self.buffer, b""
        return data

    def is_closed(self) -> bool:
        """Whether the other side hangs up, having sent nothing more."""
        return self.read_to_end() == b""

    def _more(self) -> None:
        data = self.receive()
        if not data:
            raise Closed(self.buffer)
        self.buffer += data

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class Client(Wire):
    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        super().__init__(socket.create_connection((host, port), timeout=TIMEOUT_SECONDS))

    def read_response(self, method: str = "GET") -> Response:
        head = self.read_until(b"\r\n\r\n")
        status = int(head[9:12])
        response = Response(status, head, b"")
        if method == "HEAD" or status in (204, 304) or status < 200:
            return response
        if response.header("Transfer-Encoding") == b"chunked":
            response.body = self.read_chunked()
        elif (length := response.header("Content-Length")) is not None:
            response.body = self.read(int(length))
        else:
            response.body = self.read_to_end()
        return response

    def ask(self, request: bytes, method: str = "GET") -> Response:
        self.send(request)
        return self.read_response(method)


class TLSClient(Client):
    """Takes any certificate, and takes an end without a close_notify for an error."""

    def __init__(self, port: int, server_name: str | None = None, context: ssl.SSLContext | None = None) -> None:
        super().__init__(port)
        self.socket = (context or any_certificate()).wrap_socket(self.socket, server_hostname=server_name)

    @property
    def certificate(self) -> bytes:
        return self.socket.getpeercert(binary_form=True)


def any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class BackendConnection(Wire):
    """The backend's end. `log` collects all bytes received on it; `body` is the last request's, without coding."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        self.log = b""
        self.body = b""

    def receive(self) -> bytes:
        data = super().receive()
        self.log += data
        return data

    def read_request(self) -> bytes:
        """One request: head, and body as framed, byte for byte."""
        head = self.read_until(b"\r\n\r\n")
        if re.search(rb"(?i)\r\ntransfer-encoding: chunked\r\n", head):
            start = len(self.log) - len(self.buffer)
            self.body = self.read_chunked()
            return head + self.log[start : len(self.log) - len(self.buffer)]
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)\r\n", head)
        self.body = self.read(int(length[1])) if length else b""
        return head + self.body


Behaviour = Callable[[BackendConnection], None]


class Backend:
    """Listens; each connection is handled by `behave` in a thread of its own."""

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        receive_buffer_bytes: int | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
    ) -> None:
        self._tls = tls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listening = socket.create_server((host, port), family=family, backlog=128)
        if receive_buffer_bytes is not None:
            self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.port: int = self._listening.getsockname()[1]
        self.reset()
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self) -> None:
        self.requests: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections: list[BackendConnection] = []
        self._peers: list[object] = []
        self.answer = OK
        self.behave: Behaviour = self.answer_each
        self.arrived = threading.Semaphore(0)

    def answer_each(self, connection: BackendConnection) -> None:
        while True:
            self.take(connection)
            connection.send(self.answer)

    def take(self, connection: BackendConnection) -> None:
        # Bound now: what comes late for one test must not be told to the next.
        requests, bodies = self.requests, self.bodies
        requests.append(connection.read_request())
        bodies.append(connection.body)

    def answer_with(self, answer: bytes, *, then_close: bool = False) -> None:
        """Answer each request so; `then_close` ends the connection after it."""
        self.answer = answer
        if then_close:
            self.behave = self._answer_and_close

    def _answer_and_close(self, connection: BackendConnection) -> None:
        self.take(connection)
        connection.send(self.answer)
        connection.close()

    def _accept(self) -> None:
        while True:
            try:
                accepted, peer = self._listening.accept()
            except OSError:
                return
            connection = BackendConnection(accepted)
            self.connections.append(connection)
            self._peers.append(peer)
            self.arrived.release()
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection: BackendConnection) -> None:
        with contextlib.suppress(Closed, OSError, TimeoutError):
            # How to behave is asked when the first byte is there, not when the connection is.
            connection.socket.recv(1, socket.MSG_PEEK)
            if self._tls is not None:
                connection.socket = self._tls.wrap_socket(connection.socket, server_side=True)
            self.behave(connection)

    def start_afresh(self) -> None:
        """End all connections, also those that are still to be accepted, and forget what was told."""
        with socket.create_connection(self._listening.getsockname()[:2], timeout=TIMEOUT_SECONDS) as last:
            while last.getsockname() not in self._peers:
                assert self.arrived.acquire(timeout=TIMEOUT_SECONDS)
        self.hang_up()
        self.reset()

    def hang_up(self) -> None:
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)
            connection.close()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)  # Else the port is in use until the next one is accepted.
        self._listening.close()
        self.hang_up()
