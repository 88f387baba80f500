"""What pages show: a service, an API with operations, products."""

import pytest

from accounts.models import Group
from apis.models import API, Operation
from policies.models import ProductPolicy
from service.models import Service
from subscriptions.models import Product

STARTER_POLICY = """<policies><inbound><rate-limit calls="5" renewal-period="60" />
<quota calls="100" renewal-period="604800" /><base /></inbound></policies>"""


@pytest.fixture
def service(db) -> Service:
    return Service.objects.create(name="demo", organization_name="Contoso", administrator_email="admin@example.org")


@pytest.fixture
def api(service) -> API:
    """An API with one operation, in no product: nobody sees it yet."""
    api = API.objects.create(
        name="echo", display_name="Echo API", path="echo", service_url="https://backend.example.org", scheme="both"
    )
    Operation.objects.create(
        api=api, name="say", display_name="Say it", method="GET", url_template="/say/{word}?loud={loud}"
    )
    return api


@pytest.fixture
def operation(api) -> Operation:
    return api.operations.get()


def _product(name: str, api: API, groups: list[str], **fields) -> Product:
    product = Product.objects.create(name=name, display_name=name.title(), state=Product.State.PUBLISHED, **fields)
    product.apis.add(api)
    product.groups.set(Group.objects.filter(name__in=groups))
    return product


@pytest.fixture
def starter(api) -> Product:
    """A product that everybody sees, with a policy."""
    product = _product("starter", api, ["guests", "developers", "administrators"])
    ProductPolicy.objects.create(product=product, document=STARTER_POLICY)
    return product


@pytest.fixture
def partners(api, alice, bob) -> Product:
    """A product that only the group of alice and bob sees."""
    group = Group.objects.create(name="partners", display_name="Partners")
    group.members.set([alice, bob])
    return _product("partners", api, ["partners"])
