"""The gateway where `moving.test` has the addresses that a file names, and where names are soon looked up again."""

import os
import socket
import sys
from pathlib import Path

from gateway import master, resolver, worker, worker_process

getaddrinfo = socket.getaddrinfo


def answer_from_file(host, *arguments, **options):
    if host != b"moving.test" or options["flags"]:
        return getaddrinfo(host, *arguments, **options)
    text = (Path(os.environ["DATA_DIR"]) / "moving.test").read_text()
    if text == "down":
        raise socket.gaierror(socket.EAI_AGAIN, "the name server is down")
    if text == "gone":
        raise socket.gaierror(socket.EAI_NONAME, "no such name")
    return [found for address in text.split() for found in getaddrinfo(address, *arguments, **options)]


if __name__ == "__main__":
    if sys.argv[1:]:
        socket.getaddrinfo = answer_from_file
        resolver.FRESH_SECONDS = 0.2
        sys.exit(worker.main())
    worker_process.PROGRAM = "tests.gateway.with_moving_name"
    sys.exit(master.main())
