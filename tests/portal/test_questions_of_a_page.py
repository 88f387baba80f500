"""What is the same for the whole of a page is asked of the database once."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apis.models import API, Operation
from service.setup import create_service
from subscriptions.models import Product


@pytest.fixture
def operation(db) -> Operation:
    create_service(name="demo", organization_name="Contoso", administrator_email="owner@example.org")
    api = API.objects.create(name="echo", display_name="Echo", path="echo", service_url="http://127.0.0.1:8090")
    Product.objects.get(name="starter").apis.add(api)
    return Operation.objects.create(api=api, name="status", display_name="Status", method="GET", url_template="/s")


PAGES = ["/", "/apis/", "/apis/echo/", "/apis/echo/status/", "/products/", "/account/signup/", "/admin/"]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("table", ["portalsettings_portalsettings", "service_service"])
def test_settings_and_service_are_asked_for_once(operation, admin_user, signed_in, page, table):
    browser = Client() if page.startswith("/account/") else signed_in(admin_user)
    browser.get(page)
    with CaptureQueriesContext(connection) as queries:
        answer = browser.get(page)
    assert answer.status_code == 200
    assert len([one for one in queries if f'FROM "{table}"' in one["sql"]]) <= 1
