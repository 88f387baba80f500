"""The gateway that can start no thread when it first loads the system's authorities."""

import ssl
import sys

from gateway.process import master, worker, worker_process

load_default_certs = ssl.SSLContext.load_default_certs


def fail_once(context: ssl.SSLContext) -> None:
    ssl.SSLContext.load_default_certs = load_default_certs
    raise RuntimeError("can't start new thread")


if __name__ == "__main__":
    if sys.argv[1:]:
        ssl.SSLContext.load_default_certs = fail_once
        sys.exit(worker.main())
    worker_process.PROGRAM = "tests.gateway.with_few_threads"
    sys.exit(master.main())
