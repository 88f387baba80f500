"""What the API of the example web service looks like in the catalogue of an API management service.

The words are those of Microsoft's article "Manage AzureML web services using API Management". Values,
without Django: a loader makes rows of them.
"""

import json
from dataclasses import dataclass, replace
from typing import Any

from examples.azureml.application import RESULTS_CONTAINER, SAMPLE_BLOB, SAMPLES_CONTAINER
from examples.azureml.errors import ServiceError
from examples.azureml.model import Model
from examples.azureml.scoring import execute
from examples.azureml.settings import (
    EMULATOR_ACCOUNT,
    EMULATOR_KEY,
    SERVICE_ID,
    WORKSPACE_ID,
    connection_string,
)
from examples.azureml.web_service import API_VERSION

JSON = "application/json"
SERVICE_PATH = "/workspaces/{workspace}/services/{service}"
RRS_BODY: dict[str, Any] = {
    "Inputs": {"input1": {"ColumnNames": ["Col2"], "Values": [["This is a good day"]]}},
    "GlobalParameters": {},
}
EXAMPLE_JOB = "1f0c7a5be2d94b6f8a3d5c9e7b2460d1"


@dataclass(frozen=True, slots=True)
class Parameter:
    """`location` is template, query or header."""

    location: str
    name: str
    description: str
    default_value: str = ""
    example: str = ""
    type: str = "string"
    required: bool = True
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Representation:
    content_type: str
    example: str


@dataclass(frozen=True, slots=True)
class Response:
    status_code: int
    description: str
    representations: tuple[Representation, ...] = ()
    headers: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    name: str
    display_name: str
    method: str
    url_template: str
    description: str
    parameters: tuple[Parameter, ...]
    responses: tuple[Response, ...]
    request_description: str = ""
    representations: tuple[Representation, ...] = ()


@dataclass(frozen=True, slots=True)
class API:
    name: str
    display_name: str
    description: str
    path: str
    scheme: str
    operations: tuple[Operation, ...]


def describe(*, azureml_url: str, api_key: str) -> API:
    """The API with values filled in that make each first call work against the demo's backend."""
    return API(
        name="azureml-demo-api",
        display_name="AzureML Demo API",
        description=(
            "A text goes in, its **hashed features** come out: how often each word and each pair of words falls into "
            "one of eight buckets, as *Feature Hashing* of Azure Machine Learning Studio (classic) counts them.\n\n"
            "- **RRS Execute** scores a few texts at once and answers right away.\n"
            "- **BES** scores a CSV file in blob storage: *Submit* a job, *Start* it, ask for its *Status*.\n\n"
            "Each call needs the key of the web service in the `Authorization` header, next to your subscription key."
        ),
        path="azureml-demo",
        scheme="both",
        operations=(
            _execute(api_key),
            _submit(api_key, connection_string(f"{azureml_url}/{EMULATOR_ACCOUNT}", EMULATOR_KEY)),
            _start(api_key),
            _status(api_key, azureml_url),
            _delete(api_key),
        ),
    )


def _execute(api_key: str) -> Operation:
    answer = execute(RRS_BODY, Model(text_column="Col2", bits=3, ngrams=2), details=True, as_rows=False)
    return Operation(
        name="rrs-execute",
        display_name="RRS Execute",
        method="POST",
        url_template=f"{SERVICE_PATH}/execute?api-version={{apiversion}}&details={{details}}",
        description="Scores the rows of the request and answers with a row of features for each.",
        parameters=(
            *_service_parameters(),
            Parameter(
                "template",
                "details",
                "Whether the answer names the columns' types.",
                default_value="true",
                type="boolean",
                values=("true", "false"),
            ),
            _content_type(),
            _authorization(api_key),
        ),
        request_description="The input as a table. Each row holds one text.",
        representations=(Representation(JSON, _json(RRS_BODY)),),
        responses=(
            Response(200, "The features of each row.", (Representation(JSON, _json(answer)),)),
            _error(
                400,
                "The request cannot be scored; the details say why.",
                ServiceError("InputMismatchError", target="input1"),
            ),
            _unauthorized(),
        ),
    )


def _submit(api_key: str, storage: str) -> Operation:
    body = {
        "Input": {"ConnectionString": storage, "RelativeLocation": f"{SAMPLES_CONTAINER}/{SAMPLE_BLOB}"},
        "Outputs": {"output1": {"ConnectionString": storage, "RelativeLocation": f"{RESULTS_CONTAINER}/output1.csv"}},
        "GlobalParameters": {},
    }
    return Operation(
        name="bes-submit",
        display_name="BES Submit",
        method="POST",
        url_template=f"{SERVICE_PATH}/jobs?api-version={{apiversion}}",
        description="Creates a batch job and answers with its id. The job waits until it is started.",
        parameters=(*_service_parameters(), _content_type(), _authorization(api_key)),
        request_description=(
            "Where the input, a CSV file with the column `Col2`, lies in blob storage, and where the output goes."
        ),
        representations=(Representation(JSON, _json(body)),),
        responses=(
            Response(200, "The id of the job.", (Representation(JSON, _json(EXAMPLE_JOB)),)),
            _error(
                400,
                "The job cannot be created; the details say why.",
                ServiceError("BatchJobInputsNotSpecified", ("input1",), "input1"),
            ),
            _unauthorized(),
        ),
    )


def _start(api_key: str) -> Operation:
    return Operation(
        name="bes-start",
        display_name="BES Start",
        method="POST",
        url_template=f"{SERVICE_PATH}/jobs/{{jobid}}/start?api-version={{apiversion}}",
        description="Starts a job that was submitted.",
        parameters=(*_service_parameters(_job_id()), _authorization(api_key)),
        responses=(
            Response(204, "The job has been started."),
            _error(400, "The job has been started before.", ServiceError("CannotStartJob", ("Running",))),
            _unauthorized(),
            _no_job(),
        ),
    )


def _status(api_key: str, azureml_url: str) -> Operation:
    status = {
        "StatusCode": "Finished",
        "Results": {
            "output1": {
                "ConnectionString": None,
                "RelativeLocation": f"{RESULTS_CONTAINER}/output1.csv",
                "BaseLocation": f"{azureml_url}/{EMULATOR_ACCOUNT}/",
                "SasBlobToken": "?sv=2020-12-06&sr=b&sp=r&se=2030-01-01T00%3A00%3A00Z&sig=...",
            }
        },
        "Details": None,
        "CreatedAt": "2030-01-01T00:00:00+00:00",
        "StartTime": "2030-01-01T00:00:01+00:00",
        "EndTime": "2030-01-01T00:00:02+00:00",
    }
    return Operation(
        name="bes-status",
        display_name="BES Status",
        method="GET",
        url_template=f"{SERVICE_PATH}/jobs/{{jobid}}?api-version={{apiversion}}",
        description=(
            "Tells how a job is getting on: `NotStarted`, `Running`, `Failed`, `Cancelled` or `Finished`.\n\n"
            "The output of a finished job is at `BaseLocation`, `RelativeLocation` and `SasBlobToken` in a row."
        ),
        parameters=(*_service_parameters(_job_id()), _authorization(api_key)),
        responses=(
            Response(200, "The state of the job.", (Representation(JSON, _json(status)),)),
            _unauthorized(),
            _no_job(),
        ),
    )


def _delete(api_key: str) -> Operation:
    return Operation(
        name="bes-delete",
        display_name="BES Delete",
        method="DELETE",
        url_template=f"{SERVICE_PATH}/jobs/{{jobid}}?api-version={{apiversion}}",
        description="Cancels a job that has not ended.",
        parameters=(*_service_parameters(_job_id()), _authorization(api_key)),
        responses=(
            Response(204, "The job has been cancelled, or had ended before."),
            _unauthorized(),
            _no_job(),
        ),
    )


def _service_parameters(*more: Parameter) -> tuple[Parameter, ...]:
    """The template parameters that all operations have, in the order of the template."""
    return (
        Parameter("template", "workspace", "The id of the workspace.", default_value=WORKSPACE_ID),
        Parameter("template", "service", "The id of the web service.", default_value=SERVICE_ID),
        *more,
        Parameter("template", "apiversion", "The version of the web service's API.", default_value=API_VERSION),
    )


def _job_id() -> Parameter:
    return Parameter("template", "jobid", "The id that BES Submit answered with.")


def _content_type() -> Parameter:
    return Parameter("header", "Content-Type", "The type of the body.", default_value=JSON)


def _authorization(api_key: str) -> Parameter:
    return Parameter(
        "header",
        "Authorization",
        "The key of the web service, after the word Bearer.",
        default_value=f"Bearer {api_key}",
    )


def _unauthorized() -> Response:
    header = Parameter("header", "WWW-Authenticate", "How to authenticate: Bearer.", example="Bearer")
    response = _error(401, "The key of the web service is missing or wrong.", ServiceError("ScoreRequestUnauthorized"))
    return replace(response, headers=(header,))


def _no_job() -> Response:
    return _error(404, "There is no such job.", ServiceError("JobNotFound"))


def _error(status_code: int, description: str, error: ServiceError) -> Response:
    return Response(status_code, description, (Representation(JSON, _json(json.loads(error.body()))),))


def _json(value: object) -> str:
    return json.dumps(value, indent=2)
