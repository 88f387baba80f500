"""`python -m gateway`: the gateway, from its start to the end of its last call."""

import sys

from gateway.process.master import main

if __name__ == "__main__":
    sys.exit(main())
