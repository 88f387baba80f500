"""What the web service answers when it cannot do what it is asked to.

Source: "Azure Machine Learning Studio (classic) REST API error codes": an error belongs to a class,
which has the HTTP status, and its details name the exact code. Codes marked "ours" are not in the
article.
"""

import json
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus


class ErrorClass(Enum):
    """HTTP status and general message of a class of errors."""

    BadArgument = (HTTPStatus.BAD_REQUEST, "Invalid argument provided.")
    BadUserArgument = (HTTPStatus.BAD_REQUEST, "Invalid user argument provided.")
    InvalidOperation = (HTTPStatus.BAD_REQUEST, "The request is invalid in the current context.")
    Unauthorized = (HTTPStatus.UNAUTHORIZED, "Request is unauthorized to access resource.")
    NotFound = (HTTPStatus.NOT_FOUND, "Resource not found.")
    MethodNotAllowed = (HTTPStatus.METHOD_NOT_ALLOWED, "The resource does not know this method.")
    MemoryQuotaViolation = (
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "The model had exceeded the memory quota assigned to it.",
    )
    InternalError = (HTTPStatus.INTERNAL_SERVER_ERROR, "Execution encountered an internal error.")
    ServiceUnavailable = (HTTPStatus.SERVICE_UNAVAILABLE, "Service is temporarily unavailable.")

    @property
    def status(self) -> int:
        return int(self.value[0])

    @property
    def message(self) -> str:
        return self.value[1]


_CODES: dict[str, tuple[ErrorClass, str]] = {
    "BadVersionCall": (
        ErrorClass.BadArgument,
        "Invalid version parameter was passed during the API call: {0}. "
        "Check the API help page for passing the correct version and try again.",
    ),
    "BatchJobInputsNotSpecified": (
        ErrorClass.BadArgument,
        "The following required input(s) were not specified with the request: {0}. "
        "Please ensure all input data is specified and try again.",
    ),
    "BatchJobInputsTooManySpecified": (
        ErrorClass.BadArgument,
        "The request specified more inputs than defined in the service. List of accepted input(s): {0}. "
        "Please ensure all input data is specified correctly and try again.",
    ),
    "BlobNotFound": (
        ErrorClass.BadArgument,
        "Unable to access the provided Azure blob - {0}.  Azure error message: {1}.",
    ),
    "ContainerIsEmpty": (
        ErrorClass.BadArgument,
        "No Azure storage container name was provided. Provide a valid container name and try again.",
    ),
    "ContainerSegmentInvalid": (
        ErrorClass.BadArgument,
        "Invalid container name. Provide a valid container name and try again.",
    ),
    "DuplicateInputInBatchCall": (
        ErrorClass.BadArgument,
        "The batch request is invalid. Cannot specify both single and multiple input at the same time. "
        "Remove one of these items from the request and try again.",
    ),
    "InputBlobRelativeLocationInvalid": (
        ErrorClass.BadArgument,
        "No Azure storage blob name provided. Provide a valid blob name and try again.",
    ),
    "InvalidBlob": (
        ErrorClass.BadArgument,
        "Invalid blob specification for blob: {0}. "
        "Verify that connection string / relative path or SAS token specification is correct and try again.",
    ),
    "InvalidBlobConnectionString": (
        ErrorClass.BadArgument,
        "The connection string specified for one of the input/output blobs in invalid: {0}. "
        "Please correct this and try again.",
    ),
    "InvalidBlobExtension": (
        ErrorClass.BadArgument,
        "The blob reference: {0} has an invalid or missing file extension. "
        'Supported file extensions for this output type are: "{1}".',
    ),
    "InvalidInputNames": (
        ErrorClass.BadArgument,
        "Invalid service input name(s) specified in the request: {0}. "
        "Please map the input data to the correct service inputs and try again.",
    ),
    "InvalidOutputOverrideName": (
        ErrorClass.BadArgument,
        "Invalid output override name: {0}. The service does not have an output node with this name. "
        "Please pass in a correct output node name to override (case sensitivity applies).",
    ),
    "InvalidQueryParameter": (ErrorClass.BadArgument, "Invalid query parameter '{0}'. {1}"),
    "MissingInputBlobInformation": (
        ErrorClass.BadArgument,
        "Missing Azure storage blob information. "
        "Provide a valid connection string and relative path or URI and try again.",
    ),
    "MissingJobId": (
        ErrorClass.BadArgument,
        "No job Id provided. A job Id is returned when a job was submitted for the first time. "
        "Verify the job Id is correct and try again.",
    ),
    "MissingOutputOverrideSpecification": (
        ErrorClass.BadArgument,
        "The request is missing the blob specification for output override {0}. "
        "Please specify a valid blob location with the request, "
        "or remove the output specification if no location override is desired.",
    ),
    "MissingRequestInput": (
        ErrorClass.BadArgument,
        "The web service expects an input, but no input was provided. "
        "Ensure valid inputs are provided based on the published input ports in the model and try again.",
    ),
    "RequestBodyInvalid": (
        ErrorClass.BadArgument,
        "No request body provided or error in deserializing the request body.",
    ),
    "WebServiceIdInvalid": (
        ErrorClass.BadArgument,
        "Invalid web service id provided. Web service id should be a valid guid.",
    ),
    "InputMismatchError": (ErrorClass.BadUserArgument, "Input data does not match input port schema."),
    "InputParseError": (
        ErrorClass.BadUserArgument,
        "Parsing of input vector failed.  Verify the input vector has the correct number of columns and data types.  "
        "Additional details: {0}.",
    ),
    "UnexpectedParameter": (
        ErrorClass.BadUserArgument,
        "Verify only the required parameters expected by the web service are passed and try again.",
    ),
    "CannotStartJob": (ErrorClass.InvalidOperation, "The job cannot be started because it is in {0} state."),
    "ScoreRequestUnauthorized": (ErrorClass.Unauthorized, "Invalid credentials provided."),
    "JobNotFound": (  # ours
        ErrorClass.NotFound,
        "Job not found. Verify the job Id is correct and try again.",
    ),
    "PathNotFound": (ErrorClass.NotFound, "The web service has nothing at this path."),  # ours
    "WebServiceNotFound": (
        ErrorClass.NotFound,
        "Web service not found. Verify the web service Id is correct and try again.",
    ),
    "WorkspaceNotFound": (
        ErrorClass.NotFound,
        "Workspace not found. Verify the workspace Id is correct and try again.",
    ),
    "MethodNotAllowed": (ErrorClass.MethodNotAllowed, "Allowed: {0}."),  # ours
    "OutOfMemoryLimit": (
        ErrorClass.MemoryQuotaViolation,
        "The model consumed more memory than was appropriated for it. "
        "Maximum allowed memory for the model is {0} MB. Please check your model for issues.",
    ),
    "ModuleExecutionFailed": (ErrorClass.InternalError, "The service's log says more."),
    "TooManyConcurrentRequests": (ErrorClass.ServiceUnavailable, "Too many concurrent requests sent."),
}
CODES = frozenset(_CODES)


@dataclass(eq=False)
class ServiceError(Exception):
    """An error of the article. `values` fill the message; `target` names the input, output or parameter."""

    code: str
    values: tuple[str, ...] = ()
    target: str | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def error_class(self) -> ErrorClass:
        return _CODES[self.code][0]

    @property
    def status(self) -> int:
        return self.error_class.status

    @property
    def message(self) -> str:
        return _CODES[self.code][1].format(*self.values)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def body(self) -> bytes:
        detail = {"code": self.code, "target": self.target, "message": self.message}
        error = {
            "code": self.error_class.name,
            "message": self.error_class.message,
            "details": [{name: value for name, value in detail.items() if value is not None}],
        }
        return json.dumps({"error": error}).encode()
