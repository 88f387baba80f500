"""The catalogue: APIs, their operations, and what an operation takes and answers."""

from collections.abc import Callable, Collection
from typing import Self

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apis import url_templates
from apis.deprecation import Deprecatable, Deprecation, sunset_follows
from apis.origins import validate_origins
from apis.validators import (
    MEDIA_TYPE,
    validate_key_header,
    validate_method,
    validate_suffix,
    validate_url_template,
    validate_values,
)
from backends.models import LONGEST_SECONDS, SHORTEST_SECONDS, Backend
from backends.validators import QUERY_NAME, TOKEN, validate_service_url

USUAL_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


class APIQuerySet(models.QuerySet["API"]):
    def search(self, text: str) -> Self:
        """APIs with the text in their name, their description, or in an operation."""
        return self.filter(
            Q(display_name__icontains=text)
            | Q(description__icontains=text)
            | Q(pk__in=Operation.objects.search(text).values("api"))
        )


class API(Deprecatable):
    """A backend web service that the gateway publishes (Azure: API)."""

    class Scheme(models.TextChoices):
        HTTP = "http", _("HTTP")
        HTTPS = "https", _("HTTPS")
        BOTH = "both", _("HTTP and HTTPS")

    class Subscribing(models.TextChoices):
        NOT_OFFERED = "notOffered", _("Not offered")
        APPROVAL = "approval", _("After approval")
        AT_ONCE = "atOnce", _("At once")

    name = models.SlugField(
        _("name"), unique=True, max_length=80, help_text=_("Identifies the API in the portal's URLs.")
    )
    display_name = models.CharField(_("web API name"), max_length=100)
    description = models.TextField(
        _("description"), blank=True, max_length=20_000, help_text=_("Markdown. Shown in the developer portal.")
    )
    service_url = models.CharField(
        _("web service URL"),
        max_length=2000,
        blank=True,
        validators=[validate_service_url],
        help_text=_("Where the service answers, such as https://ussouthcentral.services.azureml.net."),
    )
    backend = models.ForeignKey(
        Backend,
        verbose_name=_("backend"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="apis",
        help_text=_("Its URL then counts in place of the web service URL."),
    )
    path = models.CharField(
        _("web API URL suffix"),
        max_length=400,
        blank=True,
        validators=[validate_suffix],
        help_text=_(
            "Comes after the gateway's address and tells this API from the others, without regard to case. "
            "It may continue another API's suffix: the longest one that fits a call wins."
        ),
    )
    scheme = models.CharField(_("web API URL scheme"), max_length=5, choices=Scheme.choices, default=Scheme.HTTPS)
    subscribing = models.CharField(
        _("subscriptions to this API alone"),
        max_length=10,
        choices=Subscribing.choices,
        default=Subscribing.NOT_OFFERED,
        db_default=Subscribing.NOT_OFFERED,
        help_text=_(
            "Whether developers get them in the portal, beside those of products. "
            "No product's policy holds for their calls, so no rate or quota limits them."
        ),
    )
    subscription_required = models.BooleanField(
        _("subscription required"),
        default=True,
        help_text=_("Off: calls without a key are let through, outside any product."),
    )
    key_header_name = models.CharField(
        _("key header"),
        max_length=100,
        default="Ocp-Apim-Subscription-Key",
        validators=[validate_key_header],
        help_text=_("Callers send their subscription key in it. The backend does not see it."),
    )
    key_query_name = models.CharField(
        _("key query parameter"),
        max_length=100,
        default="subscription-key",
        validators=[QUERY_NAME],
        help_text=_("Looked at where the header is absent."),
    )
    allow_portal_origin = models.BooleanField(
        _("allow pages of the developer portal to call this API"),
        default=True,
        help_text=_("Their scripts may then call it from the browser (CORS)."),
    )
    allowed_origins = models.TextField(
        _("allowed origins"),
        blank=True,
        max_length=10_000,
        validators=[validate_origins],
        help_text=_(
            "Whose pages may call the API from the browser as well, one a line, such as https://app.example.org; "
            "* stands for all."
        ),
    )
    request_body_limit_bytes = models.PositiveBigIntegerField(
        _("largest request body, in bytes"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(2**50)],
        help_text=_("Past that 413."),
    )
    backend_timeout_seconds = models.FloatField(
        _("seconds to answer"),
        null=True,
        blank=True,
        validators=[MinValueValidator(SHORTEST_SECONDS), MaxValueValidator(LONGEST_SECONDS)],
        help_text=_("Longest wait for the head of the backend's answer, then 504; and longest pause in its body."),
    )
    allow_encoded_slashes = models.BooleanField(
        _("let encoded slashes pass in parameters"),
        default=False,
        db_default=False,
        help_text=_(
            "For ids such as a%2Fb. Only if the service tells %2F from a slash: one that decodes paths first could "
            "be led to what no operation is for. Off: such calls get 400, unless a wildcard covers the slash."
        ),
    )
    issues_offered = models.BooleanField(
        _("developers may report issues"),
        default=True,
        db_default=True,
        help_text=_("Where the portal's settings have issues switched on."),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    objects = APIQuerySet.as_manager()

    class Meta:
        verbose_name = _("API")
        verbose_name_plural = _("APIs")
        ordering = ["display_name", "pk"]
        constraints = [
            models.UniqueConstraint(
                Lower("path"),
                name="api_path_unique",
                violation_error_message=_("Another API has this URL suffix."),
            ),
            models.UniqueConstraint(
                Lower("name"), name="api_name_unique", violation_error_message=_("Another API has this name.")
            ),
            models.CheckConstraint(name="api_scheme_is_known", condition=Q(scheme__in=("http", "https", "both"))),
            models.CheckConstraint(
                name="api_has_url_or_backend",
                condition=~Q(service_url="") | Q(backend__isnull=False),
                violation_error_message=_("Give the web service URL, or choose a backend."),
            ),
            models.CheckConstraint(
                name="api_timeout_is_bounded",
                condition=Q(backend_timeout_seconds=None)
                | Q(backend_timeout_seconds__gte=SHORTEST_SECONDS, backend_timeout_seconds__lte=LONGEST_SECONDS),
            ),
            sunset_follows("api_sunset_follows_deprecation"),
        ]

    def __str__(self) -> str:
        return self.display_name

    def clean(self) -> None:
        """No operation takes for itself the query parameter that carries the key."""
        self.check_deprecation(self.pk)
        if self.pk is not None:
            taken = next((one for one in self.operations.all() if one.names_in_query(self.key_query_name)), None)
            if taken is not None:
                raise ValidationError(
                    {
                        "key_query_name": gettext("The URL template of %(operation)s has this query parameter.")
                        % {"operation": taken}
                    }
                )

    @property
    def deprecation(self) -> Deprecation | None:
        return self.own_deprecation

    @property
    def schemes(self) -> tuple[str, ...]:
        return ("http", "https") if self.scheme == self.Scheme.BOTH else (self.scheme,)

    def is_reachable_at(self, gateway_url: str) -> bool:
        """Whether the API takes calls over the scheme that the gateway's address has."""
        return gateway_url.partition("://")[0] in self.schemes


class OperationQuerySet(models.QuerySet["Operation"]):
    def search(self, text: str) -> Self:
        """Operations with the text in their name, URL template or method."""
        return self.filter(Q(display_name__icontains=text) | Q(url_template__icontains=text) | Q(method__iexact=text))


class Operation(Deprecatable):
    """A verb and a URL template of an API."""

    api = models.ForeignKey(API, on_delete=models.CASCADE, related_name="operations", verbose_name=_("API"))
    name = models.SlugField(_("name"), max_length=80, help_text=_("Identifies the operation in the portal's URLs."))
    display_name = models.CharField(_("display name"), max_length=300)
    method = models.CharField(
        _("HTTP verb"), max_length=40, validators=[validate_method], help_text=_("GET, POST, or any other.")
    )
    url_template = models.CharField(
        _("URL template"),
        max_length=url_templates.MAX_TEMPLATE_CHARACTERS,
        validators=[validate_url_template],
        help_text=_(
            "Such as /jobs/{jobid}?api-version={apiversion}. A query parameter in it is required; "
            "{*rest} at the end of the path stands for any number of segments."
        ),
    )
    description = models.TextField(_("description"), blank=True, max_length=20_000, help_text=_("Markdown."))
    request_description = models.TextField(_("request description"), blank=True, max_length=4000)
    position = models.PositiveIntegerField(_("position"), default=0)

    objects = OperationQuerySet.as_manager()

    class Meta:
        verbose_name = _("operation")
        verbose_name_plural = _("operations")
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(
                "api",
                Lower("name"),
                name="operation_name_unique_in_api",
                violation_error_message=_("Another operation of the API has this name."),
            ),
            sunset_follows("operation_sunset_follows_deprecation"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.display_name}"

    @property
    def deprecation(self) -> Deprecation | None:
        """Its own, or that of its API."""
        own, of_api = self.own_deprecation, self.api.own_deprecation
        return own.within(of_api) if own is not None else of_api

    @property
    def template(self) -> url_templates.URLTemplate:
        return url_templates.parse(self.url_template)

    def clean(self) -> None:
        """A usual method is in capitals, and the query parameter that carries the key is left to it."""
        self.check_deprecation(self.api_id)
        if self.method.upper() in USUAL_METHODS:
            self.method = self.method.upper()
        if self.api_id is not None and self.names_in_query(self.api.key_query_name):
            message = gettext("The query parameter '%(name)s' carries the subscription key of the API.") % {
                "name": self.api.key_query_name
            }
            raise ValidationError({"url_template": message})

    def validate_unique(self, exclude: Collection[str] | None = None) -> None:
        """Also: no other operation of the API would match the same calls."""
        super().validate_unique(exclude)
        if {"api", "method", "url_template"}.isdisjoint(exclude or ()):
            twin = self.twin()
            if twin is not None:
                raise ValidationError(
                    {
                        "url_template": gettext(
                            "Ambiguous: %(method)s %(url_template)s (%(twin)s) would match the same calls."
                        )
                        % {"method": twin.method, "url_template": twin.url_template, "twin": twin.display_name}
                    }
                )

    def twin(self) -> "Operation | None":
        """Another operation of the API that would match the same calls.

        Methods are compared without case too: GET and get side by side would only confuse.
        """
        template = _readable(self.url_template)
        others = Operation.objects.filter(api_id=self.api_id, method__iexact=self.method).exclude(pk=self.pk)
        shapes = ((other, _readable(other.url_template)) for other in others)
        return next((other for other, its in shapes if its and template and its.shape == template.shape), None)

    def names_in_query(self, name: str) -> bool:
        """Whether the URL template has a query parameter of this name, however it is encoded."""
        template = _readable(self.url_template)
        return template is not None and any(part.comparable[0] == name.encode() for part in template.query)


def _readable(url_template: str) -> url_templates.URLTemplate | None:
    """The template; None where it cannot be read: its own field says so, and it matches no call."""
    try:
        return url_templates.parse(url_template)
    except url_templates.TemplateError:
        return None


class Parameter(models.Model):
    """A template, query or header parameter of an operation, or a header of a response."""

    class Location(models.TextChoices):
        TEMPLATE = "template", _("Template")
        QUERY = "query", _("Query")
        HEADER = "header", _("Header")

    operation = models.ForeignKey(
        Operation,
        verbose_name=_("operation"),
        on_delete=models.CASCADE,
        related_name="parameters",
        null=True,
        blank=True,
    )
    response = models.ForeignKey(
        "Response", verbose_name=_("response"), on_delete=models.CASCADE, related_name="headers", null=True, blank=True
    )
    location = models.CharField(_("location"), max_length=10, choices=Location.choices)
    name = models.CharField(_("name"), max_length=200)
    type = models.CharField(_("type"), max_length=50, default="string")
    description = models.TextField(_("description"), blank=True, max_length=4000)
    default_value = models.CharField(_("default value"), max_length=2000, blank=True)
    example = models.CharField(_("example"), max_length=2000, blank=True)
    required = models.BooleanField(_("required"), default=False)
    values = models.JSONField(
        _("values"),
        default=list,
        blank=True,
        validators=[validate_values],
        help_text=_("The values that are allowed; empty: any."),
    )
    position = models.PositiveIntegerField(_("position"), default=0)

    class Meta:
        verbose_name = _("parameter")
        verbose_name_plural = _("parameters")
        ordering = ["position", "pk"]
        constraints = [
            models.CheckConstraint(
                name="parameter_of_operation_or_response",
                condition=Q(operation__isnull=False, response=None) | Q(operation=None, response__isnull=False),
            ),
            models.UniqueConstraint(
                "operation",
                "location",
                Lower("name"),
                name="parameter_unique_in_operation",
                violation_error_message=_("This parameter is there already."),
            ),
            models.UniqueConstraint(
                "response",
                Lower("name"),
                name="parameter_unique_in_response",
                violation_error_message=_("This header is there already."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """A name fits its place, and the default is one of the allowed values."""
        if self.location == self.Location.HEADER:
            _validate_field("name", TOKEN, self.name)
        elif not self.name.isprintable() or self.name != self.name.strip():
            raise ValidationError({"name": gettext("Only printable characters, without space at the ends.")})
        if self.default_value and self.values and self.default_value not in self.values:
            raise ValidationError({"default_value": gettext("The default is not one of the values.")})

    @property
    def suggested_value(self) -> str:
        """What the console fills in: the default, else the example, else the first allowed value."""
        return self.default_value or self.example or (self.values[0] if self.values and self.required else "")


def _validate_field(field: str, validate: Callable[[str], None], value: str) -> None:
    try:
        validate(value)
    except ValidationError as error:
        raise ValidationError({field: error.messages}) from error


class Response(models.Model):
    """A status that an operation answers with."""

    operation = models.ForeignKey(
        Operation, verbose_name=_("operation"), on_delete=models.CASCADE, related_name="responses"
    )
    status_code = models.PositiveSmallIntegerField(
        _("status code"), default=200, validators=[MinValueValidator(100), MaxValueValidator(599)]
    )
    description = models.TextField(_("description"), blank=True, max_length=4000)

    class Meta:
        verbose_name = _("response")
        verbose_name_plural = _("responses")
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
        Operation,
        verbose_name=_("operation"),
        on_delete=models.CASCADE,
        related_name="representations",
        null=True,
        blank=True,
    )
    response = models.ForeignKey(
        Response,
        verbose_name=_("response"),
        on_delete=models.CASCADE,
        related_name="representations",
        null=True,
        blank=True,
    )
    content_type = models.CharField(
        _("content type"),
        max_length=200,
        default="application/json",
        validators=[MEDIA_TYPE],
    )
    example = models.TextField(_("example"), blank=True, max_length=1_000_000)

    class Meta:
        verbose_name = _("representation")
        verbose_name_plural = _("representations")
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                name="representation_of_operation_or_response",
                condition=Q(operation__isnull=False, response=None) | Q(operation=None, response__isnull=False),
            ),
            models.UniqueConstraint(
                "operation",
                Lower("content_type"),
                name="representation_unique_in_operation",
                violation_error_message=_("This content type is there already."),
            ),
            models.UniqueConstraint(
                "response",
                Lower("content_type"),
                name="representation_unique_in_response",
                violation_error_message=_("This content type is there already."),
            ),
        ]

    def __str__(self) -> str:
        return self.content_type
