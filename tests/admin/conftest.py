import pytest
from django.core.cache import cache

from apis.models import API, Operation
from portal import heartbeat
from service.setup import create_service
from subscriptions.models import Product


@pytest.fixture(autouse=True)
def working_processes(settings, tmp_path):
    """Publisher and worker have just done their work."""
    settings.DATA_DIR = tmp_path
    for work in ("publisher", "usage", "alerts", "mail"):
        heartbeat.beat(work)


@pytest.fixture(autouse=True)
def quiet_gateway(settings):
    """No gateway runs; the start page says so at once."""
    settings.GATEWAY_INTERNAL_URL = "http://127.0.0.1:1"
    settings.GATEWAY_URL = "http://127.0.0.1:8080"
    cache.clear()


@pytest.fixture
def service(db):
    return create_service(name="demoazureml", organization_name="Contoso", administrator_email="owner@example.org")


@pytest.fixture
def admin(service, signed_in, admin_user):
    """An administrator's browser."""
    return signed_in(admin_user)


@pytest.fixture
def starter(service):
    return Product.objects.get(name="starter")


@pytest.fixture
def unlimited(service):
    return Product.objects.get(name="unlimited")


@pytest.fixture
def api(service):
    return API.objects.create(
        name="azureml", display_name="AzureML Demo API", path="azureml-demo", service_url="http://127.0.0.1:8090"
    )


@pytest.fixture
def operation(api):
    return Operation.objects.create(api=api, name="status", display_name="Status", method="GET", url_template="/status")
