"""The gateway where the file `names` in DATA_DIR tells the addresses of hosts: {"a.test": ["127.0.0.1"]}.

In place of the addresses stands "silent" for a name server that never answers, "down" for one that
cannot, and "gone" for a name that is none. Other names are looked up as ever, and all of them soon again.
"""

import json
import os
import socket
import sys
import threading
from pathlib import Path

from gateway.process import master, worker, worker_process
from gateway.upstream import resolver

getaddrinfo = socket.getaddrinfo
ERRORS = {"down": socket.EAI_AGAIN, "gone": socket.EAI_NONAME}


def answer_from_file(host, port, **options):
    names = {} if options["flags"] else json.loads(Path(os.environ["DATA_DIR"], "names").read_text())
    addresses = names.get(host.decode())
    if addresses is None:
        return getaddrinfo(host, port, **options)
    if addresses == "silent":
        threading.Event().wait()
    if isinstance(addresses, str):
        raise socket.gaierror(ERRORS[addresses], addresses)
    return [found for address in addresses for found in getaddrinfo(address, port, **options)]


if __name__ == "__main__":
    if sys.argv[1:]:
        socket.getaddrinfo = answer_from_file
        resolver.FRESH_SECONDS = 0.2
        sys.exit(worker.main())
    worker_process.PROGRAM = "tests.gateway.with_names"
    sys.exit(master.main())
