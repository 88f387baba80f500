"""A small configuration in the database."""

import threading

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from apis.models import API, Operation
from service.models import Service
from subscriptions import lifecycle
from subscriptions.models import Product


class Shop:
    """One API with one operation, in one product, which alice subscribed to."""

    def __init__(self) -> None:
        self.service = Service.objects.create(
            pk=1, name="demo", organization_name="Demo", administrator_email="admin@example.org"
        )
        self.alice = User.objects.create_user("alice@example.org", "correct horse battery")
        self.api = API.objects.create(
            name="echo", display_name="Echo", path="echo", service_url="http://127.0.0.1:9000", scheme="both"
        )
        self.operation = Operation.objects.create(
            api=self.api, name="q", display_name="Q", method="GET", url_template="/q"
        )
        self.product = Product.objects.create(name="starter", display_name="Starter", state="published")
        self.product.apis.add(self.api)
        self.subscription = lifecycle.subscribe(
            user=self.alice, product=self.product, display_name="Mine", now=timezone.now()
        )


@pytest.fixture
def shop(db) -> Shop:
    return Shop()


@pytest.fixture
def committed_shop(transactional_db) -> Shop:
    return Shop()


def in_another_connection(write):
    def run():
        try:
            write()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
