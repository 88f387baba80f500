"""The gateway whose event loop is stuck for a while when it gets a new configuration."""

import sys
import time

from gateway import log, server
from gateway.process import master, worker, worker_process

publish = server.Server.publish


def publish_and_block(self, catalogue):
    if self.catalogue is not None:
        time.sleep(2)
    publish(self, catalogue)


if __name__ == "__main__":
    if sys.argv[1:]:
        server.Server.publish = publish_and_block
        log.SECONDS_BETWEEN_LINES = 0
        sys.exit(worker.main())
    worker_process.PROGRAM = "tests.gateway.with_stalls"
    sys.exit(master.main())
