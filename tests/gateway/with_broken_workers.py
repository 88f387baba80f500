"""The gateway whose workers cannot start while the file `broken` lies in DATA_DIR; the master has little patience."""

import os
import sys
from pathlib import Path

from gateway.process import master, slot, worker, worker_process

if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(3 if Path(os.environ["DATA_DIR"], "broken").exists() else worker.main())
    worker_process.PROGRAM = "tests.gateway.with_broken_workers"
    slot.HAND_OVER_SECONDS = 1.5
    sys.exit(master.main())
