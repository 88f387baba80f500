"""The batch execution service: what its requests say and what its answers look like."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from examples.azureml.errors import ServiceError
from examples.azureml.jobs import Job, Reference, State
from examples.azureml.model import INPUT_NAME, OUTPUT_NAME
from examples.azureml.scoring import refuse_global_parameters
from examples.azureml.storage.blob_reference import (
    BadConnectionString,
    BadLocation,
    BlobReference,
    is_allowed,
    read_reference,
)

EXTENSION = ".csv"
MAX_PART_CHARACTERS = 8192
_PARTS = ("ConnectionString", "RelativeLocation", "BaseLocation", "SasBlobToken")


def read_submission(body: Mapping[str, Any], allowed_endpoints: tuple[str, ...]) -> tuple[Reference, Reference | None]:
    """The input of a job, and its output where the request names one. Raises ServiceError."""
    refuse_global_parameters(body)
    input_ = _parts(
        _only_input(body), INPUT_NAME, missing=ServiceError("MissingInputBlobInformation", target=INPUT_NAME)
    )
    find_blob(input_, INPUT_NAME, allowed_endpoints)
    output = _only_output(body)
    if output is not None:
        blob = find_blob(output, OUTPUT_NAME, allowed_endpoints)
        if PurePosixPath(blob.name).suffix.lower() != EXTENSION:
            raise ServiceError("InvalidBlobExtension", (blob.relative_location, EXTENSION), OUTPUT_NAME)
    return input_, output


def _only_input(body: Mapping[str, Any]) -> Any:
    """`Input` is the one input of the service; `Inputs` names it."""
    single, several = body.get("Input"), body.get("Inputs")
    if single is not None and several is not None:
        raise ServiceError("DuplicateInputInBatchCall")
    if several is None or several == {}:
        if single is None:
            raise ServiceError("BatchJobInputsNotSpecified", (INPUT_NAME,), INPUT_NAME)
        return single
    if not isinstance(several, dict):
        raise ServiceError("RequestBodyInvalid", target="Inputs")
    strangers = [name for name in several if name != INPUT_NAME]
    if len(several) > 1:
        raise ServiceError("BatchJobInputsTooManySpecified", (INPUT_NAME,), strangers[0][:200])
    if strangers:
        raise ServiceError("InvalidInputNames", (strangers[0][:200],), strangers[0][:200])
    return several[INPUT_NAME]


def _only_output(body: Mapping[str, Any]) -> Reference | None:
    outputs = body.get("Outputs")
    if not outputs:
        return None
    if not isinstance(outputs, dict):
        raise ServiceError("RequestBodyInvalid", target="Outputs")
    for name in outputs:
        if name != OUTPUT_NAME:
            raise ServiceError("InvalidOutputOverrideName", (name[:200],), name[:200])
    missing = ServiceError("MissingOutputOverrideSpecification", (OUTPUT_NAME,), OUTPUT_NAME)
    return _parts(outputs[OUTPUT_NAME], OUTPUT_NAME, missing=missing)


def _parts(value: Any, target: str, *, missing: ServiceError) -> Reference:
    if not value:
        raise missing
    if not isinstance(value, dict):
        raise ServiceError("RequestBodyInvalid", target=target)
    parts: Reference = {name: value.get(name) for name in _PARTS}
    if not all(part is None or (isinstance(part, str) and len(part) <= MAX_PART_CHARACTERS) for part in parts.values()):
        raise ServiceError("RequestBodyInvalid", target=target)
    return parts


def find_blob(reference: Reference, target: str, allowed_endpoints: tuple[str, ...]) -> BlobReference:
    """The blob that a reference means, at an endpoint that the service may call. Raises ServiceError."""
    try:
        blob = read_reference(reference)
    except BadConnectionString as error:
        raise ServiceError("InvalidBlobConnectionString", (str(error),), target) from error
    except BadLocation as error:
        raise ServiceError(error.code, target=target) from error
    if blob is None:
        if target == INPUT_NAME:
            raise ServiceError("MissingInputBlobInformation", target=target)
        raise ServiceError("MissingOutputOverrideSpecification", (target,), target)
    if not is_allowed(blob.account.endpoint, allowed_endpoints):
        why = "this service does not call that blob endpoint; AZUREML_BLOB_ENDPOINTS lists those that it does"
        raise ServiceError("InvalidBlobConnectionString", (why,), target)
    return blob


def status_of(job: Job) -> dict[str, Any]:
    return {
        "StatusCode": job.state.name,
        "Results": job.results if job.state is State.Finished else None,
        "Details": job.details,
        "CreatedAt": job.created_at,
        "StartTime": job.started_at,
        "EndTime": job.ended_at,
    }


def results_of(blob: BlobReference, token: str) -> dict[str, Any]:
    """Where to fetch an output: the URL is BaseLocation, RelativeLocation and SasBlobToken in a row."""
    return {
        OUTPUT_NAME: {
            "ConnectionString": None,
            "RelativeLocation": blob.relative_location,
            "BaseLocation": f"{blob.account.endpoint}/",
            "SasBlobToken": token,
        }
    }
