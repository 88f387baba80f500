"""The gateway where the name server never answers for `dead.test` and its subdomains."""

import socket
import sys
import threading

from gateway import master, worker, worker_process

getaddrinfo = socket.getaddrinfo


def answer_for_others(host, *arguments, **options):
    if host.endswith(b"dead.test") and not options["flags"]:
        threading.Event().wait()
    return getaddrinfo(host, *arguments, **options)


if __name__ == "__main__":
    if sys.argv[1:]:
        socket.getaddrinfo = answer_for_others
        sys.exit(worker.main())
    worker_process.PROGRAM = "tests.gateway.with_dead_name"
    sys.exit(master.main())
