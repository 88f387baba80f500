"""Who may do what: a request's shared key signature or shared access signature."""

import hmac
from datetime import datetime
from email.utils import parsedate_to_datetime

from examples.azureml.messages import Request
from examples.azureml.storage import sas, shared_key
from examples.azureml.storage.errors import StorageError

OWNER = sas.Grant("rwdlac", "https,http", "", frozenset(sas.Scope))


def authenticate(request: Request, *, account: str, key: str, container: str, blob: str, now: datetime) -> sas.Grant:
    """What the request's credentials allow. Raises StorageError."""
    query = dict(request.query)
    authorization = request.headers.get("authorization")
    if authorization is not None:
        _check_signature(request, authorization, account=account, key=key, now=now)
        return OWNER
    if not sas.is_token(query):
        raise StorageError("NoAuthenticationInformation")
    try:
        return sas.check(query, account=account, key=key, container=container, blob=blob, now=now)
    except sas.InvalidToken as error:
        raise StorageError("AuthenticationFailed", str(error)) from error


def _check_signature(request: Request, authorization: str, *, account: str, key: str, now: datetime) -> None:
    scheme, _, credentials = authorization.partition(" ")
    name, colon, signature = credentials.partition(":")
    if scheme != "SharedKey" or not colon:
        raise StorageError(
            "AuthenticationFailed", "The Authorization header is not of the form SharedKey name:signature"
        )
    if name != account:
        raise StorageError("AuthenticationFailed", "There is no such account")
    if "x-ms-version" not in request.headers:
        raise StorageError("MissingRequiredHeader", "x-ms-version")
    _check_date(request.headers.get("x-ms-date") or request.headers.get("date", ""), now)
    text = shared_key.string_to_sign(
        method=request.method, path=request.path, query=request.query, headers=request.headers, account=account
    )
    if not hmac.compare_digest(shared_key.sign(text, key).encode(), signature.encode()):
        raise StorageError("AuthenticationFailed", "The signature did not match")


def _check_date(text: str, now: datetime) -> None:
    try:
        is_recent = abs(now - parsedate_to_datetime(text)) <= sas.CLOCK_SKEW
    except (ValueError, TypeError) as error:
        raise StorageError("AuthenticationFailed", "x-ms-date (or Date) is missing or no date in UTC") from error
    if not is_recent:
        raise StorageError("AuthenticationFailed", "x-ms-date (or Date) is more than 15 minutes from the server's time")


def authorize(grant: sas.Grant, request: Request, *, scope: sas.Scope, any_of: str) -> None:
    """Raises StorageError unless the grant has the scope and one of the permissions, from this client."""
    if request.scheme not in grant.protocols.split(","):
        raise StorageError("AuthorizationProtocolMismatch")
    if not grant.allows_address(request.client):
        raise StorageError("AuthorizationSourceIPMismatch")
    if scope not in grant.scopes:
        raise StorageError("AuthorizationResourceTypeMismatch")
    if not set(grant.permissions) & set(any_of):
        raise StorageError("AuthorizationPermissionMismatch")
