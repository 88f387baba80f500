"""A small SMTP server that keeps what it is sent and fails as it is told."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Mailbox:
    """`refused` are commands (such as `RCPT TO bob@example.org`) and what they are answered."""

    port: int = 0
    mails: list[tuple[str, list[str], bytes]] = field(default_factory=list)
    connections: int = 0
    refused: dict[str, str] = field(default_factory=dict)


@contextmanager
def serving() -> Iterator[Mailbox]:
    mailbox = Mailbox()

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            mailbox.connections += 1
            sender, recipients = "", []
            self.say("220 ready")
            while line := self.rfile.readline().decode().strip():
                command, address, *_ = [*line.replace("<", ">").split(">"), ""]
                command = command.strip(": ").upper()
                if (answer := mailbox.refused.get(f"{command} {address}")) is not None:
                    self.say(answer)
                elif command == "MAIL FROM":
                    sender, recipients = address, []
                    self.say("250 ok")
                elif command == "RCPT TO":
                    recipients.append(address)
                    self.say("250 ok")
                elif command == "DATA":
                    self.say("354 go on")
                    mailbox.mails.append((sender, recipients, self.body()))
                    self.say("250 ok")
                elif command == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 ok")

        def say(self, answer: str) -> None:
            self.wfile.write(f"{answer}\r\n".encode())

        def body(self) -> bytes:
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
            return b"".join(lines)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        server.daemon_threads = True
        mailbox.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield mailbox
        finally:
            server.shutdown()
            thread.join()
