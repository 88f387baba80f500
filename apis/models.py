"""The catalogue: APIs, their operations, and what an operation takes and answers."""

import re
from typing import Any, Self
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from apis import url_templates

TOKEN = RegexValidator(r"\A[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z", "Only letters, digits and !#$%&'*+-.^_`|~ are allowed.")
RESERVED_SUFFIXES = ("status-0123456789abcdef",)
_SUFFIX = re.compile(r"(?:[A-Za-z0-9\-._~]+(?:/[A-Za-z0-9\-._~]+)*)?")


def validate_suffix(suffix: str) -> None:
    """A URL suffix is empty or segments of unreserved characters (RFC 3986, 2.3)."""
    if not _SUFFIX.fullmatch(suffix):
        raise ValidationError("Use letters, digits, '-', '.', '_' and '~', with '/' between segments, not at the ends.")
    segments = suffix.split("/")
    if "." in segments or ".." in segments or suffix.lower() in RESERVED_SUFFIXES:
        raise ValidationError("This suffix is reserved.")


def validate_service_url(url: str) -> None:
    """An absolute http or https URL without user info, query or fragment."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValidationError("This is not a URL: %(why)s", params={"why": str(error)}) from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValidationError("Give an absolute URL such as https://api.example.org/v1.")
    if "@" in parts.netloc:
        raise ValidationError("User name and password do not belong into the URL.")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise ValidationError("The URL cannot have a query or a fragment.")
    if not re.fullmatch(r"[\x21-\x7e]+", url):
        raise ValidationError("Write other than ASCII characters percent-encoded, and host names in punycode.")


class APIQuerySet(models.QuerySet["API"]):
    def search(self, text: str) -> Self:
        """APIs with the text in their name, description or one of their operations' names."""
        return self.filter(
            Q(display_name__icontains=text)
            | Q(description__icontains=text)
            | Q(pk__in=Operation.objects.filter(display_name__icontains=text).values("api"))
        )


class API(models.Model):
    """A backend web service that the gateway publishes (Azure: API)."""

    class Scheme(models.TextChoices):
        HTTP = "http", "HTTP"
        HTTPS = "https", "HTTPS"
        BOTH = "both", "HTTP and HTTPS"

    name = models.SlugField(unique=True, max_length=80, help_text="Identifies the API in URLs of the portal.")
    display_name = models.CharField("web API name", max_length=100)
    description = models.TextField(blank=True, max_length=20_000, help_text="Markdown. Shown in the developer portal.")
    service_url = models.CharField(
        "web service URL",
        max_length=2000,
        validators=[validate_service_url],
        help_text="Where the backend answers, such as https://ussouthcentral.services.azureml.net.",
    )
    path = models.CharField(
        "web API URL suffix",
        max_length=400,
        blank=True,
        validators=[validate_suffix],
        help_text="Comes after the gateway's host name and tells this API from the others.",
    )
    scheme = models.CharField("web API URL scheme", max_length=5, choices=Scheme.choices, default=Scheme.HTTPS)
    subscription_required = models.BooleanField(
        default=True, help_text="Off: calls without a key are let through, outside any product."
    )
    key_header_name = models.CharField(
        "key header", max_length=100, default="Ocp-Apim-Subscription-Key", validators=[TOKEN]
    )
    key_query_name = models.CharField(
        "key query parameter", max_length=100, default="subscription-key", validators=[TOKEN]
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = APIQuerySet.as_manager()

    class Meta:
        verbose_name = "API"
        verbose_name_plural = "APIs"
        ordering = ["display_name", "pk"]
        constraints = [
            models.UniqueConstraint(
                models.functions.Lower("path"),
                name="api_path_unique",
                violation_error_message="Another API has this URL suffix.",
            )
        ]

    def __str__(self) -> str:
        return self.display_name

    @property
    def schemes(self) -> tuple[str, ...]:
        return ("http", "https") if self.scheme == self.Scheme.BOTH else (self.scheme,)


class Operation(models.Model):
    """A verb and a URL template of an API."""

    api = models.ForeignKey(API, on_delete=models.CASCADE, related_name="operations")
    name = models.SlugField(max_length=80)
    display_name = models.CharField(max_length=300)
    method = models.CharField("HTTP verb", max_length=40, validators=[TOKEN])
    url_template = models.CharField(max_length=url_templates.MAX_TEMPLATE_CHARACTERS)
    description = models.TextField(blank=True, max_length=20_000, help_text="Markdown.")
    request_description = models.TextField(blank=True, max_length=4000)
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [models.UniqueConstraint(fields=["api", "name"], name="operation_name_unique_in_api")]

    def __str__(self) -> str:
        return f"{self.method} {self.display_name}"

    @property
    def template(self) -> url_templates.URLTemplate:
        return url_templates.parse(self.url_template)

    def clean(self) -> None:
        """A template is well-formed and no other operation of the API would match the same calls."""
        self.method = self.method.upper()
        try:
            template = self.template
        except url_templates.TemplateError as error:
            raise ValidationError({"url_template": str(error)}) from error
        twin = self.twin(template)
        if twin is not None:
            raise ValidationError(
                {
                    "url_template": f"Ambiguous: {twin.method} {twin.url_template} "
                    f"({twin.display_name}) would match the same calls."
                }
            )

    def twin(self, template: url_templates.URLTemplate) -> "Operation | None":
        """Another operation of the API whose method and template's shape are the same."""
        if self.api_id is None:
            return None
        others = Operation.objects.filter(api_id=self.api_id, method__iexact=self.method).exclude(pk=self.pk)
        return next((other for other in others if other.template.shape == template.shape), None)


def _values_list(value: Any) -> None:
    if not isinstance(value, list) or len(value) > 500 or not all(isinstance(item, str) for item in value):
        raise ValidationError("Give a list of at most 500 texts.")


class Parameter(models.Model):
    """A template, query or header parameter of an operation, or a header of a response."""

    class Location(models.TextChoices):
        TEMPLATE = "template", "Template"
        QUERY = "query", "Query"
        HEADER = "header", "Header"

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="parameters", null=True, blank=True)
    response = models.ForeignKey("Response", on_delete=models.CASCADE, related_name="headers", null=True, blank=True)
    location = models.CharField(max_length=10, choices=Location.choices)
    name = models.CharField(max_length=200)
    type = models.CharField(max_length=50, default="string")
    description = models.TextField(blank=True, max_length=4000)
    default_value = models.CharField(max_length=2000, blank=True)
    example = models.CharField(max_length=2000, blank=True)
    required = models.BooleanField(default=False)
    values = models.JSONField(default=list, blank=True, validators=[_values_list])
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.CheckConstraint(
                name="parameter_of_operation_or_response",
                condition=Q(operation__isnull=False, response=None) | Q(operation=None, response__isnull=False),
            ),
            models.UniqueConstraint(
                "operation",
                "location",
                models.functions.Lower("name"),
                name="parameter_unique_in_operation",
                violation_error_message="This parameter is there already.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def suggested_value(self) -> str:
        """What the console fills in: the default, else the example, else the first allowed value."""
        return self.default_value or self.example or (self.values[0] if self.values and self.required else "")


class Response(models.Model):
    """A status that an operation answers with."""

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="responses")
    status_code = models.PositiveSmallIntegerField(default=200)
    description = models.TextField(blank=True, max_length=4000)

    class Meta:
        ordering = ["status_code"]
        constraints = [
            models.UniqueConstraint(fields=["operation", "status_code"], name="response_status_unique_in_operation"),
            models.CheckConstraint(
                name="response_status_is_http", condition=Q(status_code__gte=100, status_code__lte=599)
            ),
        ]

    def __str__(self) -> str:
        return str(self.status_code)


class Representation(models.Model):
    """A content type of a request's or a response's body, with an example."""

    operation = models.ForeignKey(
        Operation, on_delete=models.CASCADE, related_name="representations", null=True, blank=True
    )
    response = models.ForeignKey(
        Response, on_delete=models.CASCADE, related_name="representations", null=True, blank=True
    )
    content_type = models.CharField(
        max_length=200,
        default="application/json",
        validators=[
            RegexValidator(
                r"\A[\x21-\x7e][\x20-\x7e]*/[\x20-\x7e]*[\x21-\x7e]\Z", "Give a type such as application/json."
            )
        ],
    )
    example = models.TextField(blank=True, max_length=1_000_000)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                name="representation_of_operation_or_response",
                condition=Q(operation__isnull=False, response=None) | Q(operation=None, response__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return self.content_type
