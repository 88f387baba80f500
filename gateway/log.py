"""The gateway's logger. Nothing that a caller sent as a secret goes into it: no targets, no field values."""

import logging

logger = logging.getLogger("gateway")
