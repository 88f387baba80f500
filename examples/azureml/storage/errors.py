"""Errors of blob storage, as XML.

Source: "Common REST API error codes" and "Blob service error codes" (Azure Storage REST API).
"""

from xml.etree import ElementTree

from examples.azureml.messages import Response

_CODES: dict[str, tuple[int, str]] = {
    "AuthenticationFailed": (
        403,
        "Server failed to authenticate the request. "
        "Make sure the value of Authorization header is formed correctly including the signature.",
    ),
    "AuthorizationPermissionMismatch": (
        403,
        "This request is not authorized to perform this operation using this permission.",
    ),
    "AuthorizationProtocolMismatch": (
        403,
        "This request is not authorized to perform this operation using this protocol.",
    ),
    "AuthorizationResourceTypeMismatch": (
        403,
        "This request is not authorized to perform this operation using this resource type.",
    ),
    "AuthorizationSourceIPMismatch": (
        403,
        "This request is not authorized to perform this operation using this source IP.",
    ),
    "BlobAlreadyExists": (409, "The specified blob already exists."),
    "BlobNotFound": (404, "The specified blob does not exist."),
    "BlockCountExceedsLimit": (409, "The uncommitted block count cannot exceed the maximum limit of 50,000 blocks."),
    "ConditionNotMet": (412, "The condition specified using HTTP conditional header(s) is not met."),
    "ContainerAlreadyExists": (409, "The specified container already exists."),
    "ContainerNotFound": (404, "The specified container does not exist."),
    "IncompleteBody": (400, "The request body is not as long as its Content-Length says."),
    "InternalError": (500, "The server encountered an internal error."),
    "InvalidBlockId": (400, "The specified block ID is invalid."),
    "InvalidBlockList": (400, "The specified block list is invalid."),
    "InvalidHeaderValue": (400, "The value for one of the HTTP headers is not in the correct format."),
    "InvalidQueryParameterValue": (
        400,
        "Value for one of the query parameters specified in the request URI is invalid.",
    ),
    "InvalidRange": (416, "The range specified is invalid for the current size of the resource."),
    "InvalidResourceName": (400, "The specified resource name contains invalid characters."),
    "InvalidUri": (400, "The requested URI does not represent any resource on the server."),
    "InvalidXmlDocument": (400, "XML specified is not syntactically valid."),
    "LeaseNotPresentWithBlobOperation": (412, "There is currently no lease on the blob."),
    "Md5Mismatch": (
        400,
        "The MD5 value specified in the request did not match with the MD5 value calculated by the server.",
    ),
    "MissingContentLengthHeader": (411, "Content-Length HTTP header was not specified."),
    "MissingRequiredHeader": (400, "An HTTP header that is mandatory for this request is not specified."),
    "NoAuthenticationInformation": (
        401,
        "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.",
    ),
    "NotModified": (304, ""),
    "RequestBodyTooLarge": (413, "The request body is too large and exceeds the maximum permissible limit."),
    "UnsupportedHeader": (400, "One of the HTTP headers specified in the request is not supported."),
    "UnsupportedHttpVerb": (405, "The resource doesn't support specified HTTP verb."),
    "UnsupportedQueryParameter": (400, "One of the query parameters specified in the request URI is not supported."),
}
CODES = frozenset(_CODES)


class StorageError(Exception):
    """`detail` says which header, parameter or rule it was; never holds a key or signature."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.status, self.message = _CODES[code]
        self.detail = detail

    def response(self, request_id: str) -> Response:
        headers: tuple[tuple[bytes, bytes], ...] = ((b"x-ms-error-code", self.code.encode()),)
        if self.status == 304:
            return Response(304, headers)
        error = ElementTree.Element("Error")
        ElementTree.SubElement(error, "Code").text = self.code
        ElementTree.SubElement(error, "Message").text = f"{self.message}\nRequestId:{request_id}"
        if self.detail:
            name = "AuthenticationErrorDetail" if self.code == "AuthenticationFailed" else "Detail"
            ElementTree.SubElement(error, name).text = self.detail
        if self.status == 401:
            headers += ((b"www-authenticate", b"SharedKey"),)
        body = ElementTree.tostring(error, encoding="utf-8", xml_declaration=True)
        return Response(self.status, ((b"content-type", b"application/xml"), *headers), body)
