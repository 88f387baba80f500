"""A service, and rate limits that begin anew in each test."""

import re

import pytest
from django.core import mail
from django.core.cache import cache

from service.models import Service

NEW = {
    "email": "dora@example.org",
    "first_name": "Dora",
    "last_name": "Doe",
    "password1": "correct horse battery",
    "password2": "correct horse battery",
}


@pytest.fixture(autouse=True)
def service(db) -> Service:
    return Service.objects.create(name="demo", organization_name="Contoso", administrator_email="admin@example.org")


@pytest.fixture(autouse=True)
def fresh_limits(settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.clear()


@pytest.fixture
def link_in_mail():
    """The path of the link in the last mail."""

    def find(pattern: str = r"/account/\S+") -> str:
        return re.search(pattern, mail.outbox[-1].body)[0]

    return find
