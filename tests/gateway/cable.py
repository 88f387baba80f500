"""A cable between the gateway and Redis, to be cut at any place of a conversation."""

import contextlib
import socket
import threading


class Cable:
    """Passes bytes on in both directions.

    `swallows_answers`: what Redis says no longer arrives. `holds_commands`: what the gateway says
    waits here until `let_go`, even if the gateway has given up the connection by then.
    """

    def __init__(self, port: int) -> None:
        self._redis = port
        self.swallows_answers = self.holds_commands = False
        self.swallowed = 0
        self._held: list[tuple[socket.socket, bytes]] = []
        self._connections: list[socket.socket] = []
        self._sockets: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    @property
    def held_bytes(self) -> int:
        return sum(len(data) for _, data in self._held)

    def cut(self) -> None:
        """All connections that there are; new ones can be made."""
        connections, self._connections = self._connections, []
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def let_go(self) -> None:
        held, self._held = self._held, []
        for to, data in held:
            to.sendall(data)

    def close(self) -> None:
        # Closing alone does not wake up who waits in accept.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listening.close()
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                gateway, _ = self._listening.accept()
            except OSError:
                return
            self._sockets.append(gateway)
            try:
                redis = socket.create_connection(("127.0.0.1", self._redis))
            except OSError:
                gateway.shutdown(socket.SHUT_RDWR)
                continue
            self._sockets.append(redis)
            self._connections.append(gateway)
            threading.Thread(target=self._commands, args=(gateway, redis), daemon=True).start()
            threading.Thread(target=self._answers, args=(redis, gateway), daemon=True).start()

    def _commands(self, gateway: socket.socket, redis: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := gateway.recv(2**16):
                if self.holds_commands:
                    self._held.append((redis, data))
                else:
                    redis.sendall(data)

    def _answers(self, redis: socket.socket, gateway: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := redis.recv(2**16):
                if self.swallows_answers:
                    self.swallowed += len(data)
                else:
                    gateway.sendall(data)
