"""Errors in the form that the gateway's have: `{"statusCode": 401, "message": "..."}`."""

import json
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler

from gateway.catalogue import admission

MISSING_KEY, INVALID_KEY = (
    json.loads(body)["message"] for body in (admission.MISSING_KEY_ANSWER, admission.INVALID_KEY_ANSWER)
)


class KeyRefused(exceptions.APIException):
    """The gateway's own words, which are the same whatever is wrong with a key."""

    status_code = status.HTTP_401_UNAUTHORIZED

    def __init__(self, *, is_missing: bool) -> None:
        super().__init__(MISSING_KEY if is_missing else INVALID_KEY)


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """Django REST framework's EXCEPTION_HANDLER. None for what is no answer to a caller."""
    response = exception_handler(error, context)
    if response is None:
        return None
    response.data = {"statusCode": response.status_code, "message": _message(error, response)}
    return response


def _message(error: Exception, response: Response) -> str:
    match error:
        case exceptions.Throttled():
            return f"Rate limit is exceeded. Try again in {response['Retry-After']} seconds."
        case exceptions.APIException():
            return str(error.detail)
        case Http404():
            return "Resource not found"
        case PermissionDenied():
            return "Access denied."
    return "Bad request"
