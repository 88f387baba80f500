"""The known cast and what every test of pages needs."""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from django.test import Client
from django.utils import timezone, translation
from playwright.sync_api import Browser, sync_playwright

from accounts.models import User
from audit.models import Entry
from audit.protection import pruning

CHROMIUM = "/usr/bin/chromium"
PASSWORD = "correct horse battery"

# A busy machine must not fail a test, and in CI neither must chance. `make fuzz` sets FUZZ_EXAMPLES.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100"))
AT_ANY_SPEED = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("tests", **AT_ANY_SPEED, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.register_profile("fuzz", **AT_ANY_SPEED, max_examples=EXAMPLES)
hypothesis.settings.load_profile("fuzz" if "FUZZ_EXAMPLES" in os.environ else "tests")


@pytest.fixture(autouse=True)
def plain_static_files(settings):
    """Pages in tests name static files as they are; hashed names need collectstatic."""
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def nobody_s_language_and_zone():
    """A thread keeps those of its last request; the next test begins without."""
    translation.deactivate()
    timezone.deactivate()


@pytest.fixture(autouse=True)
def no_gateway_to_ask(settings):
    """What is left of limits comes from the database, unless a test has a gateway."""
    settings.GATEWAY_MANAGEMENT_URL = ""


@pytest.fixture(autouse=True)
def emptied_audit_log(request):
    """What a test has committed is deleted after it, which the audit log refuses unless it is pruned."""
    marker = request.node.get_closest_marker("django_db")
    commits = "transactional_db" in request.fixturenames or (marker is not None and marker.kwargs.get("transaction"))
    if commits:
        request.getfixturevalue("_django_db_helper")
    yield
    if commits:
        with pruning():
            Entry.objects.all().delete()


def _person(name: str, **fields) -> User:
    from allauth.account.models import EmailAddress

    user = User.objects.create_user(f"{name}@example.org", PASSWORD, first_name=name.title(), **fields)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


@pytest.fixture
def alice(db) -> User:
    """Owns things."""
    return _person("alice")


@pytest.fixture
def bob(db) -> User:
    """Is in alice's group where there is one."""
    return _person("bob")


@pytest.fixture
def mallory(db) -> User:
    """A stranger."""
    return _person("mallory")


@pytest.fixture
def admin_user(db) -> User:
    return _person("admin", is_staff=True, is_superuser=True)


@pytest.fixture
def signed_in():
    """A browser in which a person is signed in: `signed_in(alice)`."""

    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        client.get("/health/")  # The first request notes the session; what a test counts is not that.
        return client

    return sign_in


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if {"chromium", "demo", "fresh"} & set(item.fixturenames):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        missing = f"{CHROMIUM} is not installed"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        yield browser
        browser.close()
