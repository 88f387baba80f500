"""The web service's HTTP interface: who may call, what is where, and answers in AzureML's form."""

import hmac
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from examples.azureml import batch, scoring
from examples.azureml.errors import ServiceError
from examples.azureml.jobs import JobStore
from examples.azureml.messages import Request, Response, json_response
from examples.azureml.runner import BatchRunner
from examples.azureml.settings import Settings

API_VERSION = "2.0"
_SERVICE = r"/workspaces/(?P<workspace>[^/]*)/services/(?P<service>[^/]*)"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """An authorised request for the service. `job_id` is empty where the path has none."""

    query: dict[str, str]
    body: bytes
    job_id: str


Handler: TypeAlias = Callable[[Call], Response]


class WebService:
    def __init__(
        self, settings: Settings, jobs: JobStore, runner: BatchRunner, *, allowed_endpoints: tuple[str, ...]
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._runner = runner
        self._allowed_endpoints = allowed_endpoints
        self._routes: tuple[tuple[re.Pattern[str], dict[str, Handler]], ...] = (
            (re.compile(f"{_SERVICE}/execute"), {"POST": self._execute}),
            (re.compile(f"{_SERVICE}/jobs"), {"POST": self._submit}),
            (re.compile(f"{_SERVICE}/jobs/(?P<job_id>[^/]*)/start"), {"POST": self._start}),
            (re.compile(f"{_SERVICE}/jobs/(?P<job_id>[^/]*)"), {"GET": self._status, "DELETE": self._delete}),
        )

    def answer(self, request: Request, body: bytes) -> Response:
        """Blocks while it works, so call it in a thread."""
        try:
            return self._answer(request, body)
        except ServiceError as error:
            return error_response(error)
        except Exception:
            logger.exception("%s %s failed", request.method, request.path)
            return error_response(ServiceError("ModuleExecutionFailed"))

    def _answer(self, request: Request, body: bytes) -> Response:
        if request.path == "/" and request.method in ("GET", "HEAD"):
            return json_response({"name": "Feature Hashing web service", "ready": True})
        handlers, parts = self._find(request.path)
        self._check_key(request.headers.get("authorization", ""))
        self._check_ids(parts["workspace"], parts["service"])
        handler = handlers.get(request.method)
        if handler is None:
            allowed = ", ".join(handlers)
            raise ServiceError("MethodNotAllowed", (allowed,), headers=((b"allow", allowed.encode()),))
        if parts.get("job_id") == "":
            raise ServiceError("MissingJobId")
        return handler(Call(_read_query(request), body, parts.get("job_id", "")))

    def _find(self, path: str) -> tuple[dict[str, Handler], dict[str, str]]:
        """The handlers of a path by method, and the path's parts."""
        for pattern, handlers in self._routes:
            if found := pattern.fullmatch(path):
                return handlers, found.groupdict()
        raise ServiceError("PathNotFound")

    def _check_key(self, authorization: str) -> None:
        scheme, _, key = authorization.partition(" ")
        is_right = hmac.compare_digest(key.strip().encode(), self._settings.api_key.encode())
        if scheme.lower() != "bearer" or not is_right:
            raise ServiceError("ScoreRequestUnauthorized", headers=((b"www-authenticate", b"Bearer"),))

    def _check_ids(self, workspace: str, service: str) -> None:
        if workspace.lower() != self._settings.workspace.lower():
            raise ServiceError("WorkspaceNotFound")
        if service.lower() == self._settings.service.lower():
            return
        try:
            UUID(service)
        except ValueError as error:
            raise ServiceError("WebServiceIdInvalid") from error
        raise ServiceError("WebServiceNotFound")

    def _execute(self, call: Call) -> Response:
        details = call.query.get("details", "false").lower()
        if details not in ("true", "false"):
            raise ServiceError("InvalidQueryParameter", ("details", "Give true or false."), "details")
        output_format = call.query.get("format", "")
        if output_format not in ("", "swagger"):
            raise ServiceError("InvalidQueryParameter", ("format", "Give swagger or leave it out."), "format")
        return json_response(
            scoring.execute(
                scoring.read_body(call.body),
                self._settings.model,
                details=details == "true",
                as_rows=output_format == "swagger",
            )
        )

    def _submit(self, call: Call) -> Response:
        input_, output = batch.read_submission(scoring.read_body(call.body), self._allowed_endpoints)
        return json_response(self._jobs.submit(input_=input_, output=output))

    def _start(self, call: Call) -> Response:
        self._jobs.start(call.job_id)
        self._runner.enqueue(call.job_id)
        return Response(204)

    def _status(self, call: Call) -> Response:
        return json_response(batch.status_of(self._jobs.get(call.job_id)))

    def _delete(self, call: Call) -> Response:
        self._jobs.cancel(call.job_id)
        return Response(204)


def error_response(error: ServiceError) -> Response:
    return Response(error.status, ((b"content-type", b"application/json; charset=utf-8"), *error.headers), error.body())


def _read_query(request: Request) -> dict[str, str]:
    """The parameters by name in lower case; the API's version is checked."""
    try:
        pairs = request.query
    except ValueError as error:
        raise ServiceError("InvalidQueryParameter", ("?", "There are too many."), "query") from error
    query = {name.lower(): value for name, value in pairs}
    version = query.get("api-version", "")
    if version != API_VERSION:
        raise ServiceError("BadVersionCall", (version[:100] or "none",), "api-version")
    return query
