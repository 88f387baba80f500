"""The gateway by a clock that is as many seconds off as the file named in CLOCK_FILE says."""

import os
import sys
import time
from pathlib import Path

from gateway.process import master, worker, worker_process

file = Path(os.environ["CLOCK_FILE"])
true_time = time.time


def time_by_the_file() -> float:
    return true_time() + float(file.read_text() or 0)


if __name__ == "__main__":
    time.time = time_by_the_file
    if sys.argv[1:]:
        sys.exit(worker.main())
    worker_process.PROGRAM = "tests.gateway.with_clock"
    sys.exit(master.main())
