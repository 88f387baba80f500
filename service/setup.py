"""Makes the service instance: its row, its administrator, and the products that are there from the start."""

from allauth.account.models import EmailAddress
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.models import ADMINISTRATORS, DEVELOPERS, GUESTS, Group, User
from audit.acts import acting
from policies.models import ProductPolicy
from service.models import Service
from subscriptions.models import Product

STARTER_POLICY = """\
<policies>
  <inbound>
    <base />
    <rate-limit calls="5" renewal-period="60" />
    <quota calls="100" renewal-period="604800" />
  </inbound>
  <backend>
    <base />
  </backend>
  <outbound>
    <base />
  </outbound>
  <on-error>
    <base />
  </on-error>
</policies>
"""


class ServiceExists(Exception):
    """There is a service already, and there can be only one."""


def create_service(
    *, name: str, organization_name: str, administrator_email: str, administrator_password: str | None = None
) -> Service:
    """Make the service in one transaction.

    Raises ServiceExists, or ValidationError keyed by argument. Without a password the administrator
    sets one by the portal's password reset.
    """
    email = administrator_email.strip().lower()
    service = Service(pk=1, name=name, organization_name=organization_name, administrator_email=email)
    service.clean_fields()
    with acting(via="create_service"), transaction.atomic():
        _insert(service)
        _create_administrator(email, administrator_password)
        _create_products()
    return service


def _insert(service: Service) -> None:
    try:
        with transaction.atomic():
            service.save(force_insert=True)
    except IntegrityError as error:
        raise ServiceExists from error


def _create_administrator(email: str, password: str | None) -> None:
    if password is not None:
        try:
            validate_password(password, User(email=email))
        except ValidationError as error:
            raise ValidationError({"administrator_password": error.messages}) from error
    try:
        user = User.objects.create_superuser(email, password)
    except ValidationError as error:
        raise ValidationError({"administrator_email": error.messages}) from error
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)


def _create_products() -> None:
    """Starter and Unlimited, as a new Azure API Management service has them."""
    starter = Product.objects.create(
        name="starter",
        display_name="Starter",
        description=_("Subscribers can make 5 calls per minute, up to 100 calls per week."),
        state=Product.State.PUBLISHED,
        # With a second subscription one would have twice the calls.
        subscriptions_limit=1,
        position=0,
    )
    ProductPolicy.objects.create(product=starter, document=STARTER_POLICY)
    unlimited = Product.objects.create(
        name="unlimited",
        display_name="Unlimited",
        description=_("Subscribers can call without limits. An administrator approves each subscription."),
        state=Product.State.PUBLISHED,
        approval_required=True,
        position=1,
    )
    audience = Group.objects.filter(name__in=(ADMINISTRATORS, DEVELOPERS, GUESTS))
    for product in (starter, unlimited):
        product.groups.set(audience)
