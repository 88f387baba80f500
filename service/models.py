"""The service instance: who runs this API management, and under which name."""

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.address_rules import MAX_LENGTH, refuse_encoded_words


class Service(models.Model):
    """There is one row, made on first run (Azure: API Management service)."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    name = models.CharField(
        _("name"),
        max_length=50,
        validators=[
            RegexValidator(
                r"\A[A-Za-z](?:[A-Za-z0-9-]{0,48}[A-Za-z0-9])?\Z",
                _("Begin with a letter, go on with letters, digits and hyphens, and do not end with a hyphen."),
            )
        ],
        help_text=_("Makes the service's URLs."),
    )
    organization_name = models.CharField(_("organization name"), max_length=100)
    administrator_email = models.EmailField(
        _("administrator e-mail"), max_length=MAX_LENGTH, validators=[refuse_encoded_words]
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("service")
        verbose_name_plural = _("services")
        constraints = [models.CheckConstraint(name="service_is_one", condition=models.Q(pk=1))]

    def __str__(self) -> str:
        return self.name

    @property
    def gateway_url(self) -> str:
        return gateway_url_of(self.name)


def current() -> Service | None:
    return Service.objects.filter(pk=1).first()


def gateway_url_of(service_name: str) -> str:
    """The gateway's public base URL, without a slash at its end."""
    return str(settings.GATEWAY_URL).replace("{service}", service_name.lower())
