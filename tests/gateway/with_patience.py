"""The gateway that waits for as long as a busy machine takes.

Its management waits for the workers' answers, a worker that is replaced for callers who are about to ask,
and callers for the next worker, before the master says 503 in its place.
"""

import sys

from gateway import server
from gateway.process import management, master, slot, stand_in, worker, worker_process

if __name__ == "__main__":
    if sys.argv[1:]:
        server.PARTING_SECONDS = 4.0
        sys.exit(worker.main())
    worker_process.PROGRAM = "tests.gateway.with_patience"
    worker_process.STATUS_SECONDS = 30.0
    management.REQUEST_SECONDS = 60.0
    slot.HAND_OVER_SECONDS = 60.0
    stand_in.PATIENCE_SECONDS = 60.0
    sys.exit(master.main())
