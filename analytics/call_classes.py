"""How a call went, as Azure's reports tell it."""

SUCCESS, BLOCKED, FAILED, OTHER = range(4)


def call_class(response_code: int) -> int:
    """SUCCESS, BLOCKED, FAILED or OTHER, as Azure's reports define them.

    OTHER are also calls without an answer, whose code is 0, and those with a code that is none of HTTP.
    """
    if 100 <= response_code <= 301 or response_code in (304, 307):
        return SUCCESS
    if response_code in (401, 403, 429):
        return BLOCKED
    return FAILED if response_code == 400 or 500 <= response_code < 600 else OTHER
