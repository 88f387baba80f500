"""What the next bytes of a caller are.

HEAD    a request head (or nothing: the connection idles)
BODY    the body of the request in hand
ANSWER  the whole request is here, its answer is not finished; what comes belongs to the next request
LINGER  the last answer is given; what comes is thrown away until the caller hangs up
"""

import enum


class Phase(enum.Enum):
    HEAD = enum.auto()
    BODY = enum.auto()
    ANSWER = enum.auto()
    LINGER = enum.auto()


HEAD, BODY, ANSWER, LINGER = Phase
